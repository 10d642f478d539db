"""Connectors of the older API: `FileSystem`, `Kafka`, `Jdbc`, `Elasticsearch`, `HBase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.table.descriptor_formats import Descriptor

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ConnectorDescriptor",
    "CustomConnectorDescriptor",
    "Elasticsearch",
    "FileSystem",
    "HBase",
    "Jdbc",
    "Kafka",
]


class ConnectorDescriptor(Descriptor):
    """A connector.

    Parameters
    ----------
    connector_type
        Its name.
    version
        Version of its properties.
    """

    def __init__(self, connector_type: str, version: int = 1) -> None:
        super().__init__()
        self._properties["connector.type"] = connector_type
        self._properties["connector.property-version"] = str(version)

    def _set(self, key: str, value: object) -> None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        self._properties[f"connector.{key}"] = text


class FileSystem(ConnectorDescriptor):
    """Files."""

    def __init__(self, path: str | None = None) -> None:
        super().__init__("filesystem")
        if path is not None:
            self.path(path)

    def path(self, path_str: str) -> FileSystem:
        """Set the file or folder."""
        self._set("path", path_str)
        return self


class Kafka(ConnectorDescriptor):
    """Topics of Kafka."""

    def __init__(
        self,
        version: str | None = None,
        topic: str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("kafka")
        if version is not None:
            self.version(version)
        if topic is not None:
            self.topic(topic)
        if properties is not None:
            self.properties(properties)

    def version(self, version: str) -> Kafka:
        """Set the version of the client; there is one for all."""
        self._set("version", version)
        return self

    def topic(self, topic: str) -> Kafka:
        """Set the topic."""
        self._set("topic", topic)
        return self

    def properties(self, property_dict: Mapping[str, str]) -> Kafka:
        """Set properties of the client."""
        for key, value in property_dict.items():
            self.property(key, value)
        return self

    def property(self, key: str, value: str) -> Kafka:
        """Set a property of the client."""
        self._set(f"properties.{key}", value)
        return self

    def start_from_earliest(self) -> Kafka:
        """Read from the beginning."""
        self._set("startup-mode", "earliest-offset")
        return self

    def start_from_latest(self) -> Kafka:
        """Read what comes from now on."""
        self._set("startup-mode", "latest-offset")
        return self

    def start_from_group_offsets(self) -> Kafka:
        """Read on where the group stopped."""
        self._set("startup-mode", "group-offsets")
        return self

    def start_from_specific_offsets(self, specific_offsets_dict: Mapping[int, int]) -> Kafka:
        """Read from an offset of each partition."""
        self._set("startup-mode", "specific-offsets")
        offsets = (f"partition:{p},offset:{o}" for p, o in specific_offsets_dict.items())
        self._set("specific-offsets", ";".join(offsets))
        return self

    def start_from_specific_offset(self, partition: int, specific_offset: int) -> Kafka:
        """Read one partition from an offset."""
        before = self._properties.get("connector.specific-offsets")
        self._set("startup-mode", "specific-offsets")
        offset = f"partition:{int(partition)},offset:{int(specific_offset)}"
        self._set("specific-offsets", f"{before};{offset}" if before else offset)
        return self

    def start_from_timestamp(self, timestamp: int) -> Kafka:
        """Read from a point of time, in milliseconds since 1970."""
        self._set("startup-mode", "timestamp")
        self._set("startup-timestamp-millis", timestamp)
        return self

    def sink_partitioner_fixed(self) -> Kafka:
        """Write each worker's rows into one partition."""
        self._set("sink-partitioner", "fixed")
        return self

    def sink_partitioner_round_robin(self) -> Kafka:
        """Write rows into the partitions in turn."""
        self._set("sink-partitioner", "round-robin")
        return self

    def sink_partitioner_custom(self, partitioner_class_name: str) -> Kafka:
        """Name a partitioner of a JVM."""
        self._set("sink-partitioner", "custom")
        self._set("sink-partitioner-class", partitioner_class_name)
        return self


class Jdbc(ConnectorDescriptor):
    """Tables of a database."""

    def __init__(self) -> None:
        super().__init__("jdbc")

    def url(self, url: str) -> Jdbc:
        """Set the database."""
        self._set("url", url)
        return self

    def table(self, table: str) -> Jdbc:
        """Set the table."""
        self._set("table", table)
        return self

    def driver(self, driver: str) -> Jdbc:
        """Name the driver of a JVM; the url says which database it is."""
        self._set("driver", driver)
        return self

    def username(self, username: str) -> Jdbc:
        """Set the user."""
        self._set("username", username)
        return self

    def password(self, password: str) -> Jdbc:
        """Set the password."""
        self._set("password", password)
        return self


class Elasticsearch(ConnectorDescriptor):
    """Indices of Elasticsearch."""

    def __init__(
        self,
        version: str | None = None,
        hostname: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        index: str | None = None,
        document_type: str | None = None,
    ) -> None:
        super().__init__("elasticsearch")
        if version is not None:
            self.version(version)
        if hostname is not None and port is not None:
            self.host(hostname, port, protocol or "http")
        if index is not None:
            self.index(index)
        if document_type is not None:
            self.document_type(document_type)

    def version(self, version: str) -> Elasticsearch:
        """Set the version."""
        self._set("version", version)
        return self

    def host(self, hostname: str, port: int | str, protocol: str) -> Elasticsearch:
        """Add a host."""
        before = self._properties.get("connector.hosts")
        host = f"{protocol}://{hostname}:{port}"
        self._set("hosts", f"{before};{host}" if before else host)
        return self

    def index(self, index: str) -> Elasticsearch:
        """Set the index."""
        self._set("index", index)
        return self

    def document_type(self, document_type: str) -> Elasticsearch:
        """Set the type of documents."""
        self._set("document-type", document_type)
        return self

    def key_delimiter(self, key_delimiter: str) -> Elasticsearch:
        """Set what stands between the parts of a key."""
        self._set("key-delimiter", key_delimiter)
        return self

    def key_null_literal(self, key_null_literal: str) -> Elasticsearch:
        """Set what stands for NULL in a key."""
        self._set("key-null-literal", key_null_literal)
        return self

    def failure_handler_fail(self) -> Elasticsearch:
        """Let a failed request fail the job."""
        self._set("failure-handler", "fail")
        return self

    def failure_handler_ignore(self) -> Elasticsearch:
        """Ignore failed requests."""
        self._set("failure-handler", "ignore")
        return self

    def failure_handler_retry_rejected(self) -> Elasticsearch:
        """Send rejected requests again."""
        self._set("failure-handler", "retry-rejected")
        return self

    def failure_handler_custom(self, failure_handler_class_name: str) -> Elasticsearch:
        """Name a handler of a JVM."""
        self._set("failure-handler", "custom")
        self._set("failure-handler-class", failure_handler_class_name)
        return self

    def disable_flush_on_checkpoint(self) -> Elasticsearch:
        """Do not send what is buffered at a checkpoint."""
        self._set("flush-on-checkpoint", "false")
        return self

    def bulk_flush_max_actions(self, max_actions_num: int) -> Elasticsearch:
        """Set how many rows are sent at once."""
        self._set("bulk-flush.max-actions", max_actions_num)
        return self

    def bulk_flush_max_size(self, max_size: str) -> Elasticsearch:
        """Set how much is sent at once."""
        self._set("bulk-flush.max-size", max_size)
        return self

    def bulk_flush_interval(self, interval: int) -> Elasticsearch:
        """Set how often rows are sent, in milliseconds."""
        self._set("bulk-flush.interval", interval)
        return self

    def bulk_flush_backoff_constant(self) -> Elasticsearch:
        """Wait the same time before each attempt."""
        self._set("bulk-flush.backoff.type", "constant")
        return self

    def bulk_flush_backoff_exponential(self) -> Elasticsearch:
        """Wait longer before each attempt."""
        self._set("bulk-flush.backoff.type", "exponential")
        return self

    def bulk_flush_backoff_max_retries(self, max_retries: int) -> Elasticsearch:
        """Set how often rows are sent again."""
        self._set("bulk-flush.backoff.max-retries", max_retries)
        return self

    def bulk_flush_backoff_delay(self, delay: int) -> Elasticsearch:
        """Set the time before an attempt, in milliseconds."""
        self._set("bulk-flush.backoff.delay", delay)
        return self

    def connection_max_retry_timeout(self, max_retry_timeout: int) -> Elasticsearch:
        """Set how long a request may take, in milliseconds."""
        self._set("connection-max-retry-timeout", max_retry_timeout)
        return self

    def connection_path_prefix(self, path_prefix: str) -> Elasticsearch:
        """Set what stands before the path of each request."""
        self._set("connection-path-prefix", path_prefix)
        return self


class HBase(ConnectorDescriptor):
    """Tables of HBase."""

    def __init__(
        self,
        version: str | None = None,
        table_name: str | None = None,
        zookeeper_quorum: str | None = None,
    ) -> None:
        super().__init__("hbase")
        if version is not None:
            self.version(version)
        if table_name is not None:
            self.table_name(table_name)
        if zookeeper_quorum is not None:
            self.zookeeper_quorum(zookeeper_quorum)

    def version(self, version: str) -> HBase:
        """Set the version."""
        self._set("version", version)
        return self

    def table_name(self, table_name: str) -> HBase:
        """Set the table."""
        self._set("table-name", table_name)
        return self

    def zookeeper_quorum(self, zookeeper_quorum: str) -> HBase:
        """Set the hosts of ZooKeeper."""
        self._set("zookeeper.quorum", zookeeper_quorum)
        return self

    def zookeeper_node_parent(self, zookeeper_node_parent: str) -> HBase:
        """Set the node of ZooKeeper."""
        self._set("zookeeper.znode.parent", zookeeper_node_parent)
        return self

    def write_buffer_flush_max_size(self, max_size: str) -> HBase:
        """Set how much is written at once."""
        self._set("write.buffer-flush.max-size", max_size)
        return self

    def write_buffer_flush_max_rows(self, write_buffer_flush_max_rows: int) -> HBase:
        """Set how many rows are written at once."""
        self._set("write.buffer-flush.max-rows", write_buffer_flush_max_rows)
        return self

    def write_buffer_flush_interval(self, interval: str | int) -> HBase:
        """Set how often rows are written."""
        self._set("write.buffer-flush.interval", interval)
        return self


class CustomConnectorDescriptor(ConnectorDescriptor):
    """A connector by its properties.

    Parameters
    ----------
    connector_type
        Its name.
    version
        Version of its properties.
    format_needed
        Whether it needs a format; the connector itself knows.
    """

    def __init__(
        self,
        connector_type: str,
        version: int = 1,
        format_needed: bool = True,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> None:
        super().__init__(connector_type, version)
        self.format_needed = format_needed

    def property(self, key: str, value: str) -> CustomConnectorDescriptor:
        """Set a property."""
        self._set(key.removeprefix("connector."), value)
        return self

    def properties(self, property_dict: Mapping[str, str]) -> CustomConnectorDescriptor:
        """Set properties."""
        for key, value in property_dict.items():
            self.property(key, value)
        return self
