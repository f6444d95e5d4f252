"""What a DataLoader is made of, where PyTorch keeps it."""
