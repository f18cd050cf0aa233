"""The pose network against the same one put together from torch's modules, on few channels."""

import numpy as np
import pytest
import torch
from torch import nn

from studio.imaging import pose_net

C, H, L = 4, 19, 38  # channels, maps of keypoints, maps of limbs


def conv(last, wide, side, act=True, **more):
    layers = [nn.Conv2d(last, wide, side, padding=more.pop("padding", side // 2), **more)]
    return nn.Sequential(*layers, nn.ReLU()) if act else nn.Sequential(*layers)


def separable(stride=1, dilation=1):
    depth = nn.Conv2d(C, C, 3, stride, dilation, dilation, groups=C)
    none, point = nn.Identity(), nn.Conv2d(C, C, 1)
    return nn.Sequential(depth, none, nn.ReLU(), point, none, nn.ReLU())


class Ends(nn.Module):
    def __init__(self, trunk, wide):
        super().__init__()
        self.trunk = trunk
        self.heatmaps = nn.Sequential(conv(C, wide, 1), conv(wide, H, 1, act=False))
        self.pafs = nn.Sequential(conv(C, wide, 1), conv(wide, L, 1, act=False))

    def forward(self, x):
        x = self.trunk(x)
        return self.heatmaps(x), self.pafs(x)


class Refined(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.initial = conv(last, C, 1)
        self.trunk = nn.Sequential(conv(C, C, 3), conv(C, C, 3, dilation=2, padding=2))

    def forward(self, x):
        x = self.initial(x)
        return x + self.trunk(x)


class Align(nn.Module):
    def __init__(self):
        super().__init__()
        self.align, self.conv = conv(C, C, 1), conv(C, C, 3)
        depths = [nn.Conv2d(C, C, 3, padding=1, groups=C) for _ in range(3)]
        layers = [nn.Sequential(d, nn.ELU(), nn.Conv2d(C, C, 1), nn.ELU()) for d in depths]
        self.trunk = nn.Sequential(*layers)

    def forward(self, x):
        x = self.align(x)
        return self.conv(x + self.trunk(x))


class Net(nn.Module):
    """Strides 2, 2, 2: an eighth of the picture; the seventh separable convolution is dilated."""

    def __init__(self):
        super().__init__()
        shapes = [(1, 1), (2, 1), (1, 1), (2, 1), *[(1, 1)] * 2, (1, 2), *[(1, 1)] * 4]
        self.model = nn.Sequential(conv(3, C, 3, stride=2), *(separable(*s) for s in shapes))
        self.cpm = Align()
        self.initial_stage = Ends(nn.Sequential(*(conv(C, C, 3) for _ in range(3))), 6)
        trunk = nn.Sequential(Refined(C + H + L), *(Refined(C) for _ in range(4)))
        self.refinement_stages = nn.ModuleList([Ends(trunk, C)])

    def forward(self, x):
        seen = self.cpm(self.model(x))
        heat, limbs = self.initial_stage(seen)
        return self.refinement_stages[0](torch.cat([seen, heat, limbs], 1))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Net().eval()


def test_the_stages_answer_as_the_modules_do(net):
    x = torch.randn(2, 3, 48, 64)
    with torch.no_grad():
        heat, limbs = net(x)
        found = pose_net.stages(x, net.state_dict())
    assert heat.shape == (2, H, 6, 8) and heat.std() > 1e-4
    assert torch.allclose(found[0], heat, atol=1e-6)
    assert torch.allclose(found[1], limbs, atol=1e-6)


@pytest.mark.parametrize("size, cells", [((64, 64), (32, 32)), ((50, 100), (32, 64))])
def test_the_shorter_side_becomes_256_px(net, size, cells):
    heat, limbs = pose_net.answer(np.zeros((*size, 3), np.uint8), net.state_dict())
    assert heat.shape == (*cells, H) and limbs.shape == (*cells, L)
