"""Super resolution: convolutions and a pixel shuffle, trained on smooth random images."""

from math import log10

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 8, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.pixel_shuffle(self.conv3(x))

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv3.weight)


class Images(Dataset):
    def __init__(self, n):
        rough = torch.rand(n, 1, 4, 4)
        self.target = F.interpolate(rough, size=(16, 16), mode="bicubic", align_corners=False).clamp(0, 1)
        self.input = F.interpolate(self.target, scale_factor=0.5, mode="bilinear", antialias=True)

    def __len__(self):
        return len(self.target)

    def __getitem__(self, index):
        return self.input[index], self.target[index]


torch.manual_seed(123)
train, test = Images(24), Images(8)
loader = DataLoader(dataset=train, batch_size=8, shuffle=True)
model = Net(upscale_factor=2)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.005)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
print(model)
for epoch in range(1, 7):
    epoch_loss = 0
    for iteration, batch in enumerate(loader, 1):
        input, target = batch[0], batch[1]
        optimizer.zero_grad()
        loss = criterion(model(input), target)
        epoch_loss += loss.item()
        loss.backward()
        optimizer.step()
    scheduler.step()
    print(f"===> Epoch {epoch} Avg. Loss: {epoch_loss / len(loader):.4f} lr {scheduler.get_last_lr()[0]:.5f}")
avg_psnr = 0
with torch.no_grad():
    for input, target in DataLoader(test, batch_size=4):
        mse = criterion(model(input), target)
        avg_psnr += 10 * log10(1 / mse.item())
print("===> Avg. PSNR: {:.4f} dB".format(avg_psnr / 2))
out = model(test[0][0].unsqueeze(0))
print(out.shape, type(out.grad_fn).__name__)
print(out[0, 0, :2, :4])
