"""What reclaims in a memory cgroup before it is full: plain data; the actors are in sim/actors."""
