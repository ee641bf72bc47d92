"""Several networks of one architecture trained at once, as one network whose weights have one more dimension.

A small network leaves a processor idle between its operations, and an ensemble trained one after another pays for that
once per member. With the weights of all members stacked, every operation does the work of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from generators.training.batches import Rows, SharedData
from generators.training.stopping import State

#: Where an objective has its network.
_WITHIN = "network."

#: Stands for the dot of a name: a module can not have parameters with dots in their names.
_DOT = "/"


class Members(nn.Module):
    """K networks as one: x (K, N, *event) and context (K, N, C) to what each makes of its own rows, (K, …).

    That is the network itself or, if there is one, its `objective`, a module whose `network` it is.

    Random numbers inside of a network differ from member to member.
    """

    def __init__(self, networks: Sequence[nn.Module], objective: Callable[[Any], nn.Module] | None = None) -> None:
        super().__init__()
        parameters, buffers = stack_module_state(list(networks))
        # In a tuple, because its own weights take no part.
        self._network = (networks[0],)
        self._made = (networks[0] if objective is None else objective(networks[0]),)
        self._prefix = "" if objective is None else _WITHIN
        self.count = len(networks)
        self.stacked = nn.ParameterDict({key.replace(".", _DOT): value for key, value in parameters.items()})
        for key, value in buffers.items():
            self.register_buffer(key.replace(".", _DOT), value)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """What every member makes of its rows."""
        made, prefix = self._made[0].train(self.training), self._prefix

        def one(state: State, x: Tensor, context: Tensor) -> Tensor:
            out: Tensor = functional_call(made, {prefix + key: value for key, value in state.items()}, (x, context))
            return out

        return torch.func.vmap(one, randomness="different")(self._stacked(), x, context)

    @property
    def template(self) -> nn.Module:
        """A network of the kind of all members; its weights are of no account."""
        return self._network[0]

    def states(self) -> list[State]:
        """The state of every member, as its network would give it: without buffers that belong to no state."""
        stacked = self._stacked()
        whole = {key: stacked[key].detach() for key in self._network[0].state_dict()}
        return [{key: value[index] for key, value in whole.items()} for index in range(self.count)]

    def visit(self, act: Callable[[nn.Module, Rows], None], data: SharedData) -> None:
        """Let `act` change buffers of every member in turn, given the rows that it learns from."""
        network = self._network[0]
        for index, state in enumerate(self.states()):
            network.load_state_dict(state)
            act(network, data.of(index))
            for key, value in network.named_buffers():
                getattr(self, key.replace(".", _DOT))[index] = value

    def _stacked(self) -> State:
        named = {key.replace(_DOT, "."): value for key, value in self.stacked.items()}
        return named | {key.replace(_DOT, "."): value for key, value in self.named_buffers()}
