"""How a program runs: parallelism, intervals, and switches that only a JVM knows.

The settings that the engine has are options of its configuration; the others are kept and given
back, so that programs that set them run.
"""

from __future__ import annotations

from typing import ClassVar

from tidemill.common.configuration import Configuration

__all__ = ["ExecutionConfig"]

_AUTO_WATERMARK = "pipeline.auto-watermark-interval"
_FORCE_AVRO = "pipeline.force-avro"
_FORCE_KRYO = "pipeline.force-kryo"
_GENERIC_TYPES = "pipeline.generic-types"
_GENERATED_UIDS = "pipeline.auto-generate-uids"
_LATENCY = "metrics.latency.interval"
_CLOSURE_CLEANER = "pipeline.closure-cleaner-level"
_MAX_PARALLELISM = "pipeline.max-parallelism"
_OBJECT_REUSE = "pipeline.object-reuse"
_PARALLELISM = "parallelism.default"
_SNAPSHOT_COMPRESSION = "execution.checkpointing.snapshot-compression"
_CANCELLATION_INTERVAL = "task.cancellation.interval"
_CANCELLATION_TIMEOUT = "task.cancellation.timeout"
_JOB_PARAMETERS = "pipeline.global-job-parameters"


class ExecutionConfig:
    """Settings of a program.

    Parameters
    ----------
    configuration
        Where the settings are kept as options; its own if not given.
    """

    PARALLELISM_DEFAULT: ClassVar[int] = -1
    PARALLELISM_UNKNOWN: ClassVar[int] = -2

    def __init__(self, configuration: Configuration | None = None) -> None:
        """Keep the configuration."""
        self._configuration = Configuration() if configuration is None else configuration

    def _flag(self, key: str, *, value: bool) -> ExecutionConfig:
        self._configuration.set_boolean(key, value)
        return self

    def _is(self, key: str, *, default: bool) -> bool:
        return self._configuration.get_boolean(key, default)

    def _number(self, key: str, value: int) -> ExecutionConfig:
        self._configuration.set_integer(key, value)
        return self

    def _millis(self, key: str, value_ms: int) -> ExecutionConfig:
        self._configuration.set_string(key, f"{value_ms} ms")
        return self

    def _get_millis(self, key: str, default_ms: int) -> int:
        text = self._configuration.get_string(key, None)
        return default_ms if text is None else int(text.removesuffix("ms").strip())

    def enable_closure_cleaner(self) -> ExecutionConfig:
        """Keep the switch; closures of Python are not cleaned."""
        self._configuration.set_string(_CLOSURE_CLEANER, "RECURSIVE")
        return self

    def disable_closure_cleaner(self) -> ExecutionConfig:
        """Keep the switch; closures of Python are not cleaned."""
        self._configuration.set_string(_CLOSURE_CLEANER, "NONE")
        return self

    def is_closure_cleaner_enabled(self) -> bool:
        """Give the switch."""
        return self._configuration.get_string(_CLOSURE_CLEANER, "RECURSIVE") != "NONE"

    def set_auto_watermark_interval(self, interval: int) -> ExecutionConfig:
        """Set how often watermarks advance, in milliseconds."""
        return self._millis(_AUTO_WATERMARK, interval)

    def get_auto_watermark_interval(self) -> int:
        """Give how often watermarks advance, in milliseconds."""
        return self._get_millis(_AUTO_WATERMARK, 200)

    def set_latency_tracking_interval(self, interval: int) -> ExecutionConfig:
        """Keep how often latency is measured, in milliseconds."""
        return self._millis(_LATENCY, interval)

    def get_latency_tracking_interval(self) -> int:
        """Give how often latency is measured, in milliseconds."""
        return self._get_millis(_LATENCY, 0)

    def get_parallelism(self) -> int:
        """Give the number of workers, or -1 if the engine chooses."""
        return self._configuration.get_integer(_PARALLELISM, self.PARALLELISM_DEFAULT)

    def set_parallelism(self, parallelism: int) -> ExecutionConfig:
        """Set the number of workers."""
        return self._number(_PARALLELISM, parallelism)

    def get_max_parallelism(self) -> int:
        """Give the number of key groups that a program asked for, or -1."""
        return self._configuration.get_integer(_MAX_PARALLELISM, -1)

    def set_max_parallelism(self, max_parallelism: int) -> ExecutionConfig:
        """Keep the number of key groups; the engine has 256."""
        return self._number(_MAX_PARALLELISM, max_parallelism)

    def get_task_cancellation_interval(self) -> int:
        """Give the time between attempts to stop a task, in milliseconds."""
        return self._get_millis(_CANCELLATION_INTERVAL, 30_000)

    def set_task_cancellation_interval(self, interval: int) -> ExecutionConfig:
        """Keep the time between attempts to stop a task, in milliseconds."""
        return self._millis(_CANCELLATION_INTERVAL, interval)

    def get_task_cancellation_timeout(self) -> int:
        """Give how long stopping a task may take, in milliseconds."""
        return self._get_millis(_CANCELLATION_TIMEOUT, 180_000)

    def set_task_cancellation_timeout(self, timeout: int) -> ExecutionConfig:
        """Keep how long stopping a task may take, in milliseconds."""
        return self._millis(_CANCELLATION_TIMEOUT, timeout)

    def enable_force_kryo(self) -> ExecutionConfig:
        """Keep the switch; nothing is serialized by Kryo."""
        return self._flag(_FORCE_KRYO, value=True)

    def disable_force_kryo(self) -> ExecutionConfig:
        """Keep the switch; nothing is serialized by Kryo."""
        return self._flag(_FORCE_KRYO, value=False)

    def is_force_kryo_enabled(self) -> bool:
        """Give the switch."""
        return self._is(_FORCE_KRYO, default=False)

    def enable_generic_types(self) -> ExecutionConfig:
        """Keep the switch; types are those of SQL."""
        return self._flag(_GENERIC_TYPES, value=True)

    def disable_generic_types(self) -> ExecutionConfig:
        """Keep the switch; types are those of SQL."""
        return self._flag(_GENERIC_TYPES, value=False)

    def has_generic_types_disabled(self) -> bool:
        """Give the switch."""
        return not self._is(_GENERIC_TYPES, default=True)

    def enable_auto_generated_uids(self) -> ExecutionConfig:
        """Keep the switch; operators are named by their sub-plan."""
        return self._flag(_GENERATED_UIDS, value=True)

    def disable_auto_generated_uids(self) -> ExecutionConfig:
        """Keep the switch; operators are named by their sub-plan."""
        return self._flag(_GENERATED_UIDS, value=False)

    def has_auto_generated_uids_enabled(self) -> bool:
        """Give the switch."""
        return self._is(_GENERATED_UIDS, default=True)

    def enable_force_avro(self) -> ExecutionConfig:
        """Keep the switch; state is Arrow."""
        return self._flag(_FORCE_AVRO, value=True)

    def disable_force_avro(self) -> ExecutionConfig:
        """Keep the switch; state is Arrow."""
        return self._flag(_FORCE_AVRO, value=False)

    def is_force_avro_enabled(self) -> bool:
        """Give the switch."""
        return self._is(_FORCE_AVRO, default=False)

    def enable_object_reuse(self) -> ExecutionConfig:
        """Keep the switch; rows are columns of batches."""
        return self._flag(_OBJECT_REUSE, value=True)

    def disable_object_reuse(self) -> ExecutionConfig:
        """Keep the switch; rows are columns of batches."""
        return self._flag(_OBJECT_REUSE, value=False)

    def is_object_reuse_enabled(self) -> bool:
        """Give the switch."""
        return self._is(_OBJECT_REUSE, default=False)

    def set_use_snapshot_compression(self, use_snapshot_compression: bool) -> ExecutionConfig:  # noqa: FBT001 - PyFlink's signature
        """Set whether checkpoints are compressed."""
        return self._flag(_SNAPSHOT_COMPRESSION, value=use_snapshot_compression)

    def is_use_snapshot_compression(self) -> bool:
        """Tell whether checkpoints are compressed."""
        return self._is(_SNAPSHOT_COMPRESSION, default=False)

    def get_global_job_parameters(self) -> dict[str, str]:
        """Give the parameters that functions can read."""
        text = self._configuration.get_string(_JOB_PARAMETERS, "") or ""
        pairs = (pair.split(":", 1) for pair in text.split(",") if ":" in pair)
        return {key.strip(): value.strip() for key, value in pairs}

    def set_global_job_parameters(
        self, global_job_parameters_dict: dict[str, object]
    ) -> ExecutionConfig:
        """Set parameters that functions can read by ``FunctionContext.get_job_parameter``."""
        for key, value in global_job_parameters_dict.items():
            self._configuration.set_string(key, str(value))
        pairs = (f"{key}:{value}" for key, value in global_job_parameters_dict.items())
        self._configuration.set_string(_JOB_PARAMETERS, ",".join(pairs))
        return self

    def get_default_kryo_serializer_classes(self) -> dict[str, str]:
        """Give the registered serializers of a JVM: none."""
        return {}

    def get_registered_kryo_types(self) -> list[str]:
        """Give the registered types of a JVM: none."""
        return []

    def get_registered_pojo_types(self) -> list[str]:
        """Give the registered types of a JVM: none."""
        return []
