"""The GPU that a candidate believes to be on, while it runs on a machine without one."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Device:
    """What torch.cuda and Triton's driver report about the target."""

    name: str
    capability: int  # 89 for compute capability 8.9
    sms: int
    memory_bytes: int
    threads_per_sm: int
    registers_per_sm: int
    shared_per_sm_bytes: int
    shared_per_block_bytes: int
    l2_bytes: int
    warp_size: int = 32

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From the JSON form of a target GPU (conf/gpu), whose names and units are those of the configuration."""
        major, minor = str(facts["compute_capability"]).split(".")
        return cls(
            name=facts.get("title") or facts["name"],
            capability=int(major) * 10 + int(minor),
            sms=facts["sms"],
            memory_bytes=int(facts["memory_gb"] * 2**30),
            threads_per_sm=facts["threads_per_sm"],
            registers_per_sm=facts.get("registers_per_sm", 65_536),
            shared_per_sm_bytes=facts["shared_per_sm_bytes"],
            shared_per_block_bytes=facts["shared_per_block_bytes"],
            l2_bytes=int(facts["l2_mb"] * 2**20),
            warp_size=facts.get("warp_size", 32),
        )

    @property
    def major(self) -> int:
        return self.capability // 10

    @property
    def minor(self) -> int:
        return self.capability % 10

    def describe(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
