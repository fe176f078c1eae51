"""What NVML says about the GPU while it is measured: clocks, and whatever holds them back."""

from dataclasses import dataclass, field

import pynvml

_REASONS = {
    "sw_power_cap": "nvmlClocksThrottleReasonSwPowerCap",
    "hw_slowdown": "nvmlClocksThrottleReasonHwSlowdown",
    "sw_thermal": "nvmlClocksThrottleReasonSwThermalSlowdown",
    "hw_thermal": "nvmlClocksThrottleReasonHwThermalSlowdown",
    "hw_power_brake": "nvmlClocksThrottleReasonHwPowerBrakeSlowdown",
}


@dataclass
class Clocks:
    """Looks at one GPU, named by its UUID; finds nothing where NVML has nothing to say (WSL2, some virtual GPUs)."""

    uuid: str
    sm_mhz: list[int] = field(default_factory=list)
    throttled: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Note the present state."""
        if not self.uuid:
            return
        try:
            pynvml.nvmlInit()
            device = pynvml.nvmlDeviceGetHandleByUUID(self.uuid)
            self.sm_mhz.append(int(pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_SM)))
            mask = int(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(device))
        except pynvml.NVMLError:
            return
        self.throttled |= {name for name, constant in _REASONS.items() if mask & getattr(pynvml, constant, 0)}

    def note(self) -> str:
        """One clause for the row; empty if nothing was seen."""
        if not self.sm_mhz:
            return ""
        low, high = min(self.sm_mhz), max(self.sm_mhz)
        held = f", held back by {', '.join(sorted(self.throttled))}" if self.throttled else ""
        return f"SM clock {low} MHz{held}" if low == high else f"SM clock {low} to {high} MHz{held}"
