"""How one worker gets inputs and gives outputs: memory that it was lent, filled and emptied by the oracle."""

from dataclasses import dataclass
from typing import Any

import torch

from evaluator.errors import UsageError
from evaluator.inside import tree
from evaluator.oracle.buffers import Loan, Room
from evaluator.oracle.charges import Mismatch
from evaluator.oracle.reference import Reference
from evaluator.oracle.worker import WorkerHandle
from evaluator.request import Limits


@dataclass(frozen=True)
class Slot:
    """Places for the inputs and the outputs of one forward."""

    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


class Exchange:
    """The places of one worker's inputs and outputs, one tensor each.

    Args:
        reference: says what inputs there are and, run once on inputs of its own, what outputs to expect.
        where: the reference's file, for messages.
        loan: what the worker was lent already for another exchange, which will take it all back.
    """

    def __init__(
        self, reference: Reference, worker: WorkerHandle, limits: Limits, where: str, loan: Loan | None = None
    ) -> None:
        self._reference = reference
        self._worker = worker
        self._limits = limits
        self._where = where
        self._loan = loan or Loan(reference.device, worker.transport)
        self._encoded: Any = None
        self._inputs: list[dict[str, Any]] = []
        self._outputs: list[dict[str, Any]] = []
        self._structure: Any = None
        self.claims: list[dict[str, Any]] = []  # what the worker said about each forward

    def prepare(self, model: torch.nn.Module, seed: int) -> None:
        """Lend room for inputs and outputs as the reference has them on inputs of this seed; runs `model` once.

        Raises:
            UsageError: the reference returns something other than tensors, or its inputs are not the seed's.
        """
        inputs = self._reference.inputs(seed)
        tensors: list[torch.Tensor] = []
        self._encoded = tree.flatten(inputs, tensors)
        self._inputs = [self._loan.place(tensor) for tensor in tensors]
        self.put(inputs)
        del inputs, tensors  # they may be gigabytes, and are made once more
        self._structure, outputs = self._reference.run(model, self._made_again(seed))
        if not outputs or not tree.only_tensors(self._structure):
            raise UsageError(
                f"the reference {self._where} returns something other than tensors", "Return tensors only."
            )
        self._outputs = [self._loan.place(tensor) for tensor in outputs]
        self.lend()

    def place(self, like: torch.Tensor) -> dict[str, Any]:
        """Room for one more tensor, such as a weight; `lend` announces it."""
        return self._loan.place(like)

    @property
    def first(self) -> Slot:
        """The places that `fill`, `forward` and `take` use."""
        return Slot(self._inputs, self._outputs)

    @property
    def arguments(self) -> Any:
        """The encoded structure of the inputs, the same for every slot."""
        return self._encoded

    def slots(self, count: int) -> list[Slot]:
        """Room for `count` more forwards, in one buffer for inputs and one for outputs; `lend` announces it."""
        if count < 1:
            return []
        inputs, outputs = (self._pack(places, count) for places in (self._inputs, self._outputs))
        return [Slot(*places) for places in zip(inputs, outputs, strict=True)]

    def room(self, slots: list[Slot]) -> Room:
        """The oracle's own memory for the outputs of all these slots."""
        outputs = [place for slot in slots for place in slot.outputs]
        return self._loan.room(outputs, [place for slot in slots for place in slot.inputs])

    def tensor(self, place: dict[str, Any]) -> torch.Tensor:
        """The lent memory at `place`; the worker may write to it at any time, so judge copies only."""
        return self._loan.tensor(place)

    def copy(self, place: dict[str, Any]) -> torch.Tensor:
        """The oracle's own copy of the tensor at `place`, out of the worker's reach."""
        return self._loan.copy(place)

    def poison(self, place: dict[str, Any]) -> None:
        """Fill one place with a pattern that no right answer has."""
        self._loan.poison(place)

    def lend(self) -> None:
        """Tell the worker about the places made since the last time."""
        message, fds = self._loan.announcement()
        self._worker.ask(message, self._limits.forward_s, fds)

    @property
    def loan(self) -> Loan:
        """Everything that this worker was lent."""
        return self._loan

    @property
    def input_bytes(self) -> int:
        """Of all inputs together."""
        return sum(self.tensor(place).nbytes for place in self._inputs)

    @property
    def dtypes(self) -> list[str]:
        """Of all inputs and outputs, once they were prepared."""
        return [place["dtype"] for place in (*self._inputs, *self._outputs)]

    def fill(self, seed: int) -> None:
        """Put the task's own inputs of this seed into the worker's hands, and poison the outputs."""
        self.put(self._reference.inputs(seed))

    def put(self, inputs: list[Any]) -> None:
        """Put inputs into the worker's hands, and poison the outputs.

        Raises:
            UsageError: they differ from the first ones in more than the tensors' values.
        """
        for place, tensor in zip(self._inputs, self._tensors(inputs), strict=True):
            self._loan.tensor(place).copy_(tensor)
        self.poison_outputs()

    def poison_outputs(self) -> None:
        """Fill the outputs with a pattern that no right answer has."""
        for place in self._outputs:
            self._loan.poison(place)
        self.synchronize()

    def forward(self, draw: int, timeout_s: float, slot: Slot | None = None, **options: Any) -> None:
        """Have the worker run once on what it was lent; `options` are what `Scrutiny.forward` takes beyond that.

        Args:
            slot: other places than the first.

        Raises:
            WorkerFailure: it failed.
            Mismatch: its outputs have another form than the reference's.
        """
        slot = slot or self.first
        message = {"do": "forward", "draw": draw, "inputs": self._encoded}
        message |= {"input_places": slot.inputs, "output_places": slot.outputs} | options
        self.claims.append(self._worker.ask(message, timeout_s))
        self._check_form(self.claims[-1])

    def deliver_again(self, timeout_s: float) -> None:
        """Have the worker copy out once more what the forward with `hold=True` returned, as it is now."""
        self.poison_outputs()
        self._worker.ask({"do": "deliver", "output_places": self._outputs}, timeout_s)

    def move_inputs(self) -> None:
        """Lend other memory for the inputs; what is filled in from now on lies there."""
        self._inputs = [self._loan.place(self._loan.tensor(place)) for place in self._inputs]
        self.lend()

    def take(self) -> list[torch.Tensor]:
        """The oracle's own copies of the outputs, out of the worker's reach."""
        return [self.copy(place) for place in self._outputs]

    def changed_input(self, expected: list[Any], slot: Slot | None = None) -> int | None:
        """Index of the first lent input that is not as `expected` (the reference may work in place), or None."""
        tensors: list[torch.Tensor] = []
        tree.flatten(expected, tensors)
        for index, (place, tensor) in enumerate(zip((slot or self.first).inputs, tensors, strict=True)):
            if not torch.equal(_bits(self._loan.tensor(place).to(tensor.device)), _bits(tensor)):
                return index
        return None

    def synchronize(self) -> None:
        """Wait until what the oracle enqueued on the GPU is done."""
        if self._reference.device == "cuda":
            torch.cuda.synchronize()

    def close(self) -> None:
        """Take the memory back; the worker must be dead."""
        self._loan.close()

    def _made_again(self, seed: int) -> list[Any]:
        """The inputs of this seed, which were put: what a candidate was given is always made again, to compare with.

        Raises:
            UsageError: they come out otherwise.
        """
        inputs = self._reference.inputs(seed)
        if self.changed_input(self._tensors(inputs)) is not None:
            raise UsageError(
                f"get_inputs() of {self._where} gives other values for the same seed",
                "Draw from the generators of torch, numpy.random or random, which are seeded, and not from one of "
                "your own that is not.",
            )
        return inputs

    def _tensors(self, inputs: list[Any]) -> list[torch.Tensor]:
        """Those of other inputs, which may differ from the first in nothing but the tensors' values.

        Raises:
            UsageError: they do.
        """
        tensors: list[torch.Tensor] = []
        encoded = tree.flatten(inputs, tensors)
        shapes = [list(tensor.shape) for tensor in tensors]
        if encoded != self._encoded or shapes != [place["shape"] for place in self._inputs]:
            raise UsageError(
                f"get_inputs() of {self._where} gives other sizes or other plain values from one seed to another",
                "Let only the tensors' values be random; make a number that varies a tensor.",
            )
        return tensors

    def _pack(self, places: list[dict[str, Any]], count: int) -> list[list[dict[str, Any]]]:
        """Room for `count` times what lies at `places`, in one buffer."""
        if not places:
            return [[] for _ in range(count)]
        packed = self._loan.pack([self.tensor(place) for place in places] * count)
        return [packed[start : start + len(places)] for start in range(0, len(packed), len(places))]

    def _check_form(self, claim: dict[str, Any]) -> None:
        claimed, expected = claim["outputs"], self._outputs
        if len(claimed) != len(expected):
            raise Mismatch(f"forward returned {len(claimed)} tensors, the reference returns {len(expected)}")
        if claim["structure"] != self._structure:
            raise Mismatch(
                "forward returned its tensors in another structure, or order of keys, than the reference does"
            )
        for index, (theirs, ours) in enumerate(zip(claimed, expected, strict=True)):
            if theirs["shape"] != ours["shape"]:
                raise Mismatch(f"output {index} has shape {theirs['shape']}, expected {ours['shape']}")
            if theirs["dtype"] != ours["dtype"]:
                raise Mismatch(f"output {index} has dtype {theirs['dtype']}, expected {ours['dtype']}")


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """A view for exact comparison, so that NaN equals itself."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)
