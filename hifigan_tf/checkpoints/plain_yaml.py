"""Reads YAML as plain data: no tag in a file builds an object."""

from pathlib import Path

from hifigan_tf.errors import UserError, brief

LARGEST = 1 << 20  # bytes; configs of all libraries have a few thousand
DEEPEST = 50  # nested lists and mappings


def parse(text: str | bytes, name: str):
    """The lists, mappings and scalars of a YAML text; ``name`` is for errors.

    Tags of HyperPyYAML, such as ``!new:`` and ``!ref``, are dropped, and leave what stands behind them. Raises
    ``UserError`` for tags that would make Python build objects, and for a text that is no YAML.
    """
    import yaml

    class PlainLoader(yaml.SafeLoader):
        """``SafeLoader`` that drops tags, and takes a merge key as any other: merges can grow without bound."""

        def flatten_mapping(self, node):
            pass

        def mapping(self, node):
            pairs = [
                (self.construct_object(key, True), self.construct_object(value, True)) for key, value in node.value
            ]
            return {key if isinstance(key, (str, int, float, bool)) else brief(key): value for key, value in pairs}

        def untagged(self, _, node):
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node)
            return self.construct_sequence(node, True) if isinstance(node, yaml.SequenceNode) else node.value

        def refused(self, suffix, _):
            raise UserError(
                f"{name} has the YAML tag !!python/{brief(suffix)}, which would run code: refused, nothing was run"
            )

    PlainLoader.add_constructor("tag:yaml.org,2002:map", PlainLoader.mapping)
    PlainLoader.add_constructor("tag:yaml.org,2002:merge", lambda _, node: node.value)
    PlainLoader.add_multi_constructor("tag:yaml.org,2002:python/", PlainLoader.refused)
    PlainLoader.add_multi_constructor("!", PlainLoader.untagged)
    if len(text) > LARGEST:
        raise UserError(f"{name} has {len(text)} bytes, which is no config: give another with --config")
    try:
        depth = 0
        for event in yaml.parse(text, PlainLoader):
            depth += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
            depth -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
            if depth > DEEPEST:
                raise ValueError("it is nested too deeply")
        return yaml.load(text, PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise UserError(f"{name} is not valid YAML ({brief(error)})") from None


def read(path: Path):
    """The same of a file."""
    if path.stat().st_size > LARGEST:
        raise UserError(f"config {path} has {path.stat().st_size} bytes, which is no config: give another")
    return parse(path.read_bytes(), f"config {path}")
