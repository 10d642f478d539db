"""A broker of Apache Kafka for trials and measurements: one node, in KRaft mode.

Maven fetches the jars once into FOLDER; then `python kafka_broker.py FOLDER [PORT]` runs the
broker until it is interrupted. It needs a Java runtime and mvn. Tests do not need it: they have the
cluster of librdkafka within their process.
"""

import pathlib
import shutil
import subprocess
import sys

VERSION = "4.1.1"

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>broker</artifactId><version>1</version><dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
</dependency></dependencies></project>
"""

SETTINGS = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
"""


def main(folder: pathlib.Path, port: int) -> int:
    """Fetch what is missing, make a new data folder, and run the broker."""
    jars = folder / "libs"
    folder.mkdir(parents=True, exist_ok=True)
    if not jars.exists():
        (folder / "pom.xml").write_text(POM)
        fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        subprocess.run(fetch, cwd=folder, check=True)
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    settings = folder / "server.properties"
    settings.write_text(SETTINGS.format(port=port, controller=port + 1, data=data))
    java = ["java", "-Xmx512m", "-cp", f"{jars}/*"]
    tool = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk"]
    subprocess.run([*java, *tool, "-c", str(settings)], check=True)
    return subprocess.run([*java, "kafka.Kafka", str(settings)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).absolute(), int((sys.argv[2:] or ["9092"])[0])))
