"""A fleet: many VMs drawn from distributions, each simulated with every setting to compare (`fleet:`, docs/fleet.md)."""
