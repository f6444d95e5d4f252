"""Hooks of communication for DistributedDataParallel, in ddp_comm_hooks."""
