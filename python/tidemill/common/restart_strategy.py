"""What happens when a job fails."""

from __future__ import annotations

__all__ = ["RestartStrategies", "RestartStrategyConfiguration"]


class RestartStrategyConfiguration:
    """What happens when a job fails; ``options`` are those of the configuration."""

    _description = ""

    def get_description(self) -> str:
        """Describe the strategy."""
        return self._description

    def options(self) -> dict[str, str]:
        """Give the strategy as options."""
        return {}

    def __eq__(self, other: object) -> bool:
        """Compare kind and parameters."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the description."""
        return hash(self.get_description())


class RestartStrategies:
    """Makes strategies."""

    class NoRestartStrategyConfiguration(RestartStrategyConfiguration):
        """The job ends."""

        _description = "Restart deactivated."

        def options(self) -> dict[str, str]:
            """Give the strategy as options."""
            return {"restart-strategy.type": "none"}

    class FixedDelayRestartStrategyConfiguration(RestartStrategyConfiguration):
        """The job starts again some times, after a delay.

        Parameters
        ----------
        restart_attempts
            How often.
        delay_between_attempts_interval
            The delay in milliseconds.
        j_restart_strategy
            PyFlink's way to make one of a Java object; not used.
        """

        def __init__(
            self,
            restart_attempts: int | None = None,
            delay_between_attempts_interval: int | None = None,
            j_restart_strategy: object = None,
        ) -> None:
            """Keep both."""
            del j_restart_strategy
            self._attempts = restart_attempts or 0
            self._delay_ms = delay_between_attempts_interval or 0

        def get_restart_attempts(self) -> int:
            """Give how often."""
            return self._attempts

        def get_delay_between_attempts_interval(self) -> int:
            """Give the delay in milliseconds."""
            return self._delay_ms

        def get_description(self) -> str:
            """Describe the strategy."""
            return (
                f"Restart with fixed delay ({self._delay_ms} ms). "
                f"#{self._attempts} restart attempts."
            )

        def options(self) -> dict[str, str]:
            """Give the strategy as options."""
            return {
                "restart-strategy.type": "fixed-delay",
                "restart-strategy.fixed-delay.attempts": str(self._attempts),
                "restart-strategy.fixed-delay.delay": f"{self._delay_ms} ms",
            }

    class FailureRateRestartStrategyConfiguration(RestartStrategyConfiguration):
        """The job starts again as long as it does not fail too often.

        Parameters
        ----------
        max_failure_rate
            How often within the interval.
        failure_interval
            The interval in milliseconds.
        delay_between_attempts_interval
            The delay in milliseconds.
        j_restart_strategy
            PyFlink's way to make one of a Java object; not used.
        """

        def __init__(
            self,
            max_failure_rate: int | None = None,
            failure_interval: int | None = None,
            delay_between_attempts_interval: int | None = None,
            j_restart_strategy: object = None,
        ) -> None:
            """Keep the three."""
            del j_restart_strategy
            self._max_rate = max_failure_rate or 0
            self._interval_ms = failure_interval or 0
            self._delay_ms = delay_between_attempts_interval or 0

        def get_max_failure_rate(self) -> int:
            """Give how often within the interval."""
            return self._max_rate

        def get_failure_interval(self) -> int:
            """Give the interval in milliseconds."""
            return self._interval_ms

        def get_delay_between_attempts_interval(self) -> int:
            """Give the delay in milliseconds."""
            return self._delay_ms

        def get_description(self) -> str:
            """Describe the strategy."""
            return (
                f"Failure rate restart with maximum of {self._max_rate} failures within interval "
                f"{self._interval_ms} ms and fixed delay {self._delay_ms} ms."
            )

        def options(self) -> dict[str, str]:
            """Give the strategy as options."""
            prefix = "restart-strategy.failure-rate."
            return {
                "restart-strategy.type": "failure-rate",
                f"{prefix}max-failures-per-interval": str(self._max_rate),
                f"{prefix}failure-rate-interval": f"{self._interval_ms} ms",
                f"{prefix}delay": f"{self._delay_ms} ms",
            }

    class FallbackRestartStrategyConfiguration(RestartStrategyConfiguration):
        """What the configuration says."""

        _description = "Cluster level default restart strategy"

    @staticmethod
    def no_restart() -> RestartStrategyConfiguration:
        """Let the job end."""
        return RestartStrategies.NoRestartStrategyConfiguration()

    @staticmethod
    def fall_back_restart() -> RestartStrategyConfiguration:
        """Leave it to the configuration."""
        return RestartStrategies.FallbackRestartStrategyConfiguration()

    @staticmethod
    def fixed_delay_restart(
        restart_attempts: int, delay_between_attempts: int
    ) -> RestartStrategyConfiguration:
        """Start again some times, after a delay in milliseconds."""
        return RestartStrategies.FixedDelayRestartStrategyConfiguration(
            restart_attempts, delay_between_attempts
        )

    @staticmethod
    def failure_rate_restart(
        failure_rate: int, failure_interval: int, delay_interval: int
    ) -> RestartStrategyConfiguration:
        """Start again unless it fails too often; times are in milliseconds."""
        return RestartStrategies.FailureRateRestartStrategyConfiguration(
            failure_rate, failure_interval, delay_interval
        )
