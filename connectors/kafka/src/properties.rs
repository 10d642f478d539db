//! The properties of a Kafka client as Java's client knows them, in the words of librdkafka.
//!
//! Most names are the same. Some have another one, some steer what only Java's client has (classes,
//! metrics, its threads): these are taken and mean nothing. What neither client knows is refused by
//! name, as are key stores in Java's own format.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use tidemill_engine::{EngineError, Result};

use crate::options::Settings;

/// Properties with another name here.
const RENAMED: &[(&str, &str)] = &[
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("max.request.size", "message.max.bytes"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("request.timeout.ms", "socket.timeout.ms"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
    ("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    ("ssl.keystore.key", "ssl.key.pem"),
    ("ssl.truststore.certificates", "ssl.ca.pem"),
];

/// Properties that only Java's client, or Flink's use of it, has; a `.` at the end is for all that
/// begin so.
const JAVA_ONLY: &[&str] = &[
    "auto.include.jmx.reporter",
    "client.id.prefix",
    "commit.offsets.on.checkpoint",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "config.providers",
    "default.api.timeout.ms",
    "exclude.internal.topics",
    "flink.",
    "interceptor.classes",
    "internal.",
    "key.deserializer",
    "key.serializer",
    "max.block.ms",
    "max.poll.records",
    "metadata.max.idle.ms",
    "metric.reporters",
    "metrics.",
    "partition.assignment.strategy",
    "partition.discovery.interval.ms",
    "partitioner.",
    "register.consumer.metrics",
    "register.producer.metrics",
    "security.providers",
    "socket.connection.setup.timeout.max.ms",
    "ssl.enabled.protocols",
    "ssl.engine.factory.class",
    "ssl.keymanager.algorithm",
    "ssl.keystore.type",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "throw.on.fetch.stable.offset.unsupported",
    "value.deserializer",
    "value.serializer",
    "zookeeper.connect",
];

/// A configuration with what the table says of its client.
///
/// # Errors
/// `Unsupported` for stores and log-ins that only Java reads.
pub(crate) fn client_config(settings: &Settings) -> Result<ClientConfig> {
    let properties = &settings.properties;
    let mut config = ClientConfig::new();
    // Told to the context, which keeps the last one for messages.
    config.set_log_level(RDKafkaLogLevel::Error);
    for (key, value) in properties {
        let renamed = RENAMED.iter().find(|(java, _)| java == key);
        match key.as_str() {
            _ if renamed.is_some() => {
                config.set(renamed.map_or("", |(_, here)| here), value);
            }
            key if is_java_only(key) => {}
            // Told by those who use them.
            "group.id" | "transactional.id" => {}
            "auto.offset.reset" => {
                config.set("auto.offset.reset", offset_reset(value));
            }
            "buffer.memory" => {
                let kbytes = value
                    .trim()
                    .parse::<u64>()
                    .map(|bytes| bytes.div_ceil(1024));
                let kbytes = kbytes.map_or_else(|_| value.clone(), |kbytes| kbytes.to_string());
                config.set("queue.buffering.max.kbytes", kbytes);
            }
            "sasl.jaas.config" => log_in(value, properties, &mut config)?,
            "sasl.mechanism" => {
                config.set("sasl.mechanisms", value);
            }
            "ssl.endpoint.identification.algorithm" if value.trim().is_empty() => {
                config.set("ssl.endpoint.identification.algorithm", "none");
            }
            "ssl.keystore.location" => key_store(value, properties, &mut config)?,
            "ssl.truststore.location" => trust_store(value, properties, &mut config)?,
            key => {
                config.set(key, value);
            }
        }
    }
    Ok(config)
}

fn is_java_only(key: &str) -> bool {
    let mut known = JAVA_ONLY.iter();
    known.any(|known| match known.strip_suffix('.') {
        Some(_) => key.starts_with(known),
        None => key == *known,
    })
}

/// librdkafka's word for where to go on when an offset is gone.
fn offset_reset(value: &str) -> &str {
    match value.trim() {
        "none" => "error",
        other => other,
    }
}

/// `org.apache.kafka…PlainLoginModule required username="u" password="p";`
fn log_in(
    jaas: &str,
    properties: &BTreeMap<String, String>,
    config: &mut ClientConfig,
) -> Result<()> {
    let knows = jaas.contains("PlainLoginModule") || jaas.contains("ScramLoginModule");
    let part = |name: &str| -> Option<String> {
        let rest = jaas.split_once(&format!("{name}="))?.1;
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let mut text = String::new();
        let mut characters = rest.chars().skip(1);
        while let Some(character) = characters.next() {
            match character {
                '\\' => text.extend(characters.next()),
                character if character == quote => return Some(text),
                character => text.push(character),
            }
        }
        None
    };
    match (knows, part("username"), part("password")) {
        (true, Some(username), Some(password)) => {
            config.set("sasl.username", username);
            config.set("sasl.password", password);
            Ok(())
        }
        _ if properties.contains_key("sasl.username") => Ok(()),
        _ => Err(EngineError::unsupported(
            "a 'properties.sasl.jaas.config' other than PlainLoginModule or ScramLoginModule with \
             username and password",
        )),
    }
}

fn is_type(properties: &BTreeMap<String, String>, key: &str, wanted: &str) -> bool {
    let written = properties.get(key);
    written.is_some_and(|written| written.eq_ignore_ascii_case(wanted))
}

fn key_store(
    path: &str,
    properties: &BTreeMap<String, String>,
    config: &mut ClientConfig,
) -> Result<()> {
    let is = |wanted| is_type(properties, "ssl.keystore.type", wanted);
    if is("PEM") {
        // One file with the key and the chain.
        config.set("ssl.key.location", path);
        config.set("ssl.certificate.location", path);
    } else if is("PKCS12") || path.ends_with(".p12") || path.ends_with(".pfx") {
        config.set("ssl.keystore.location", path);
    } else {
        return Err(EngineError::unsupported(
            "a 'properties.ssl.keystore.location' in Java's format; 'ssl.keystore.type' can be \
             'PKCS12' or 'PEM'",
        ));
    }
    Ok(())
}

fn trust_store(
    path: &str,
    properties: &BTreeMap<String, String>,
    config: &mut ClientConfig,
) -> Result<()> {
    if is_type(properties, "ssl.truststore.type", "PEM") || path.ends_with(".pem") {
        config.set("ssl.ca.location", path);
        return Ok(());
    }
    Err(EngineError::unsupported(
        "a 'properties.ssl.truststore.location' in Java's format; 'ssl.truststore.type' can be \
         'PEM', or 'properties.ssl.ca.location' names a file of certificates",
    ))
}

/// The error of a client that could not be made.
pub(crate) fn of_creation(settings: &Settings, error: &KafkaError) -> EngineError {
    let KafkaError::ClientConfig(_, reason, key, value) = error else {
        return settings.kind.error(error);
    };
    EngineError::Options {
        message: format!(
            "table '{}': option 'properties.{key}' = '{value}': {}",
            settings.table,
            reason.trim_end_matches('.')
        ),
    }
}
