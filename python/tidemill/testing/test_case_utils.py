"""Base classes of test cases: each has the environments ``env`` and ``t_env``.

``PythonAPICompletenessTestCase`` compares with classes of a JVM and says so; this package's own
comparison is with a list of PyFlink's names.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unittest
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from tidemill.datastream.execution_mode import RuntimeExecutionMode
from tidemill.datastream.stream_execution_environment import StreamExecutionEnvironment
from tidemill.table.environment_settings import EnvironmentSettings
from tidemill.table.table_environment import StreamTableEnvironment, TableEnvironment
from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.common.job_execution_result import JobExecutionResult
    from tidemill.table.table import Table

__all__ = [
    "PyFlinkBatchTableTestCase",
    "PyFlinkBatchTestCase",
    "PyFlinkITTestCase",
    "PyFlinkStreamTableTestCase",
    "PyFlinkStreamingTestCase",
    "PyFlinkTestCase",
    "PyFlinkUTTestCase",
    "PythonAPICompletenessTestCase",
    "TestEnv",
    "Tuple2",
    "exec_insert_table",
    "invoke_java_object_method",
    "replace_uuid",
    "run_with_config",
    "to_java_data_structure",
]

# ruff: noqa: N802 - the names are PyFlink's

_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


def exec_insert_table(table: Table, table_path: str) -> JobExecutionResult:
    """Write a table into a sink and wait until it is done."""
    client = table.execute_insert(table_path).get_job_client()
    if client is None:
        msg = f"writing into '{table_path}' started no job"
        raise ValueError(msg)
    return client.get_job_execution_result().result()


def invoke_java_object_method(obj: object, method_name: str) -> NoReturn:
    """Refuse: there is no JVM."""
    del obj
    refuse(f"calling '{method_name}' of a Java object (there is no JVM)")


def to_java_data_structure(value: object) -> NoReturn:
    """Refuse: there is no JVM."""
    del value
    refuse("a Java object of a Python value (there is no JVM)")


def replace_uuid(input_obj: Any) -> Any:
    """Replace each UUID inside of a text, list, tuple or dictionary by ``<UUID>``."""
    if isinstance(input_obj, str):
        return _UUID.sub("<UUID>", input_obj)
    if isinstance(input_obj, dict):
        return {key: replace_uuid(value) for key, value in input_obj.items()}
    if isinstance(input_obj, list | tuple):
        return type(input_obj)(map(replace_uuid, input_obj))
    return input_obj


@contextmanager
def run_with_config(config_dict: dict[str, str]) -> Iterator[None]:
    """Start environments that are made meanwhile with these options."""
    from tidemill.common.launch import launch_options, set_launch_options  # noqa: PLC0415 - tests

    before = launch_options()
    set_launch_options({**before, **config_dict})
    try:
        yield
    finally:
        set_launch_options(before)


class PyFlinkTestCase(unittest.TestCase):
    """A test case with a folder of its own."""

    tempdir: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        """Make the folder."""
        cls.tempdir = tempfile.mkdtemp()

    @classmethod
    def tearDownClass(cls) -> None:
        """Remove the folder."""
        shutil.rmtree(cls.tempdir, ignore_errors=True)

    @classmethod
    def assert_equals(cls, actual: Any, expected: list[Any]) -> None:
        """Compare two lists without regard to their order."""
        assert sorted(cls.to_py_list(actual)) == sorted(expected)  # noqa: S101 - a test

    @classmethod
    def to_py_list(cls, actual: Any) -> list[Any]:
        """Give the elements as a list."""
        return list(actual)


class PyFlinkITTestCase(PyFlinkTestCase):
    """A test case with an execution environment."""

    env: Any

    @classmethod
    def setUpClass(cls) -> None:
        """Make the environment."""
        super().setUpClass()
        cls.env = StreamExecutionEnvironment.get_execution_environment()

    @classmethod
    def tearDownClass(cls) -> None:
        """Remove the folder."""
        super().tearDownClass()


class PyFlinkUTTestCase(PyFlinkTestCase):
    """A test case with new environments for each test."""

    def setUp(self) -> None:
        """Make the environments."""
        self.env = StreamExecutionEnvironment.get_execution_environment()
        self.env.set_runtime_mode(RuntimeExecutionMode.STREAMING)
        self.env.set_parallelism(2)
        self.t_env = StreamTableEnvironment.create(self.env)


class PyFlinkStreamTableTestCase(PyFlinkITTestCase):
    """A test case with a streaming table environment."""

    t_env: Any

    @classmethod
    def setUpClass(cls) -> None:
        """Make the environments."""
        super().setUpClass()
        cls.env.set_runtime_mode(RuntimeExecutionMode.STREAMING)
        cls.env.set_parallelism(2)
        cls.t_env = StreamTableEnvironment.create(cls.env)


class PyFlinkBatchTableTestCase(PyFlinkITTestCase):
    """A test case with a batch table environment."""

    t_env: Any

    @classmethod
    def setUpClass(cls) -> None:
        """Make the environments."""
        super().setUpClass()
        cls.env.set_runtime_mode(RuntimeExecutionMode.BATCH)
        cls.t_env = TableEnvironment.create(EnvironmentSettings.in_batch_mode())


class PyFlinkStreamingTestCase(PyFlinkITTestCase):
    """A test case with a streaming execution environment."""

    @classmethod
    def setUpClass(cls) -> None:
        """Make the environment."""
        super().setUpClass()
        cls.env.set_parallelism(2)
        cls.env.set_runtime_mode(RuntimeExecutionMode.STREAMING)


class PyFlinkBatchTestCase(PyFlinkITTestCase):
    """A test case with a batch execution environment."""

    @classmethod
    def setUpClass(cls) -> None:
        """Make the environment."""
        super().setUpClass()
        cls.env.set_parallelism(2)
        cls.env.set_runtime_mode(RuntimeExecutionMode.BATCH)


class PythonAPICompletenessTestCase:
    """A comparison of a Python class with one of a JVM, which is not there."""

    @classmethod
    def get_python_class_methods(cls, python_class: type) -> set[str]:
        """Give the names of a class's methods as Java writes them."""
        names = (name for name in dir(python_class) if not name.startswith("_"))
        return {cls.snake_to_camel(cls.java_method_name(name)) for name in names}

    @staticmethod
    def snake_to_camel(method_name: str) -> str:
        """Give a name as Java writes it."""
        output = "".join(part.capitalize() or "_" for part in method_name.split("_"))
        return output[0].lower() + output[1:]

    @classmethod
    def get_python_stability_decorators(cls, python_class: type) -> set[type]:
        """Give the decorators that a class was marked with."""
        decorators: set[type] = getattr(python_class, "__stability_decorators", set())
        return decorators

    @staticmethod
    def get_java_class_methods(java_class: str) -> NoReturn:
        """Refuse: there is no JVM."""
        refuse(f"the methods of the Java class '{java_class}' (there is no JVM)")

    @staticmethod
    def get_java_class_annotations(java_class: str) -> NoReturn:
        """Refuse: there is no JVM."""
        refuse(f"the annotations of the Java class '{java_class}' (there is no JVM)")

    @classmethod
    def check_methods(cls) -> None:
        """Refuse: there is no JVM."""
        cls.get_java_class_methods(cls.java_class())

    @classmethod
    def check_stability_decorators(cls) -> None:
        """Refuse: there is no JVM."""
        cls.get_java_class_annotations(cls.java_class())

    @classmethod
    def java_method_name(cls, python_method_name: str) -> str:
        """Give the name in Java of a method; the same unless a test says otherwise."""
        return python_method_name

    @classmethod
    def python_class(cls) -> type:
        """Give the Python class."""
        raise NotImplementedError

    @classmethod
    def java_class(cls) -> str:
        """Give the name of the Java class."""
        raise NotImplementedError

    @classmethod
    def excluded_methods(cls) -> set[str]:
        """Give the methods that are not compared."""
        return set()

    def ignore_decorators(self) -> bool:
        """Tell whether decorators are not compared."""
        return False

    def test_completeness(self) -> None:
        """Compare."""
        self.check_methods()
        if not self.ignore_decorators():
            self.check_stability_decorators()


class TestEnv:
    """An environment that remembers which files were registered."""

    __test__ = False  # no test case, whatever its name says

    def __init__(self) -> None:
        self.result: list[Tuple2] = []

    def registerCachedFile(self, file_path: str, key: str) -> None:
        """Remember a file."""
        self.result.append(Tuple2(key, file_path))

    def getCachedFiles(self) -> list[Tuple2]:
        """Give the files."""
        return self.result

    def to_dict(self) -> dict[str, str]:
        """Give the files by key."""
        return {str(pair.getField(0)): str(pair.getField(1)) for pair in self.result}


class Tuple2:
    """A pair of values."""

    def __init__(self, f0: object, f1: object) -> None:
        self.f0 = f0
        self.f1 = f1

    def getField(self, index: int) -> object:
        """Give a value by position."""
        return (self.f0, self.f1)[index]
