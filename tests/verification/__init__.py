"""Statistics verified as a statistics package is: intervals on processes whose true values are known, and device queues against theory."""
