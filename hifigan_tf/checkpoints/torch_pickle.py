"""Reads PyTorch's checkpoint files without PyTorch, and without running code in them.

A checkpoint is a pickle, and a pickle is a program: Python's own ``pickle`` imports and calls whatever the file
names. This module interprets it without importing or calling anything. What ``torch.save`` writes for tensors in plain
containers is read; everything else that a file names, calls or builds, such as the counter of a scheduler or a whole
module, becomes an ``Opaque``: a note of its name, which nothing runs. Whoever needs such a value refuses it.

Both of PyTorch's formats keep the numbers outside the pickle, uncompressed: the zip format (since 1.6) as records
``NAME/data/KEY``, the legacy one after its pickles. They are mapped into memory and read on demand.
"""

import math
import mmap
import pickletools
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from hifigan_tf.errors import UserError, brief

MOST_AXES = 32  # of an array; NumPy's own limit
ZIP_MAGIC, LEGACY_MAGIC, LEGACY_VERSION = b"PK\3\4", 0x1950A86A20F9469CFC6C, 1001

# The NumPy type of each storage. NumPy has no bfloat16, which is the upper half of a float32.
BFLOAT16 = "torch.BFloat16Storage"
DTYPES = {
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    BFLOAT16: "u2",
    "torch.DoubleStorage": "f8",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "b1",
}
ORDERED_DICT = "collections.OrderedDict"
REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2"
REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
GLOBALS = {ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, *DTYPES}

KEYS = (str, int, float, bool, bytes, type(None))  # of dictionaries; hashing nested tuples may overflow the stack

LITERALS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
SCALARS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("INT", "LONG", "FLOAT", "UNICODE", "STRING"),
}


@dataclass(frozen=True)
class Global:
    """A dotted name; a separate class, so that a string in the file cannot pass for one."""

    name: str


@dataclass(eq=False)
class Opaque:
    """What only code could make: the name of the code, with what it would be called with. Nothing runs it."""

    name: str
    arguments: Any = field(default=(), repr=False)
    state: list = field(default_factory=list, repr=False)


@dataclass(eq=False)
class Storage:
    """``count`` numbers; ``place`` sets their position in the file once the pickle has been read."""

    kind: str
    count: int
    memory: mmap.mmap | None = None
    start: int = 0
    byte_order: str = "<"
    checksum: int | None = None

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self.count * int(DTYPES[self.kind][-1])

    def place(self, memory: mmap.mmap, start: int, byte_order: str = "<", checksum: int | None = None) -> None:
        """Sets the position of the numbers, from byte ``start`` on. Raises ``UserError`` if the file is too short."""
        if not 0 <= start <= len(memory) - self.size:
            raise UserError(f"is cut short: {self.size} bytes of numbers at byte {start}, the file has {len(memory)}")
        self.memory, self.start, self.byte_order, self.checksum = memory, start, byte_order, checksum


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage; ``offset`` and ``strides`` count elements, as PyTorch's do."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def numpy(self):
        """A read-only array of ``shape``, bfloat16 as float32. Raises ``UserError`` when the numbers are damaged."""
        import numpy as np  # late: --help reads this module too

        storage, memory = self.storage, self.storage.memory
        assert memory is not None, "read places every storage"
        if storage.checksum is not None:
            with memoryview(memory) as view, view[storage.start : storage.start + storage.size] as numbers:
                if zlib.crc32(numbers) != storage.checksum:
                    raise UserError(f"is damaged: the checksum at byte {storage.start} is wrong, copy the file again")
        dtype = np.dtype(storage.byte_order + DTYPES[storage.kind])
        flat = np.frombuffer(memory, dtype, storage.count, storage.start)
        strides = [stride * dtype.itemsize for stride in self.strides]
        array = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides, writeable=False)
        if storage.kind == BFLOAT16:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array


def read(path: str | Path):
    """The object that ``torch.save`` wrote: containers and scalars, with a ``Tensor`` for each tensor or parameter.

    Raises ``UserError``, one line, for a file that is not a checkpoint, or is damaged.
    """
    path = Path(path)
    with path.open("rb") as file:
        return read_open(file, f"checkpoint {path}")


def read_open(file: BinaryIO, name: str):
    """The same of a file on disk that is open; ``name`` is for errors."""
    file.seek(0, 2)
    if file.tell() == 0:
        raise UserError(f"{name} is empty: copy or download it again")
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _read_zip(file, memory) if memory[:4] == ZIP_MAGIC else _read_legacy(memory)
    except UserError as error:
        raise UserError(f"{name} {error}") from None


def _read_zip(file: BinaryIO, memory: mmap.mmap):
    try:
        with zipfile.ZipFile(file) as archive:
            records = {info.filename: info for info in archive.infolist()}
    # Raised by zipfile for truncated files and invalid headers.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, struct.error) as error:
        raise UserError(f"is a zip file cut short or damaged ({brief(error)}): copy or download it again") from None
    pickles = [name for name in records if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise UserError("is a zip file but no PyTorch checkpoint: it has no record data.pkl")
    prefix = pickles[0].removesuffix("data.pkl")
    byte_order = b"little"
    if f"{prefix}byteorder" in records:  # PyTorch writes it since 2.1
        start, info = _record(records, f"{prefix}byteorder", memory)
        byte_order = memory[start : start + info.file_size]
    if byte_order not in (b"little", b"big"):
        raise UserError(f"is damaged: its record byteorder says {byte_order[:20]!r}, neither little nor big")
    start, _ = _record(records, pickles[0], memory)
    memory.seek(start)
    storages: dict[str, Storage] = {}
    result = _interpret(memory, storages)
    for key, storage in storages.items():
        start, info = _record(records, f"{prefix}data/{key}", memory)
        if info.file_size != storage.size:
            raise UserError(
                f"is damaged: record data/{brief(key)} has {info.file_size} bytes, "
                f"but the pickle says {storage.count} numbers of {storage.kind}, {storage.size} bytes"
            )
        storage.place(memory, start, "<" if byte_order == b"little" else ">", info.CRC)
    return result


def _record(records: dict[str, zipfile.ZipInfo], name: str, memory: mmap.mmap) -> tuple[int, zipfile.ZipInfo]:
    """Start of a zip record's bytes, and its entry. The entry is untrusted: everything in it is checked."""
    info, shown = records.get(name), brief(name)
    if info is None:
        raise UserError(f"is damaged: its record {shown} is missing")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise UserError(f"has a compressed record {shown}, which PyTorch never writes: save it anew with torch.save")
    header = memory[info.header_offset : info.header_offset + 30] if info.header_offset >= 0 else b""
    if len(header) < 30 or header[:4] != ZIP_MAGIC:
        raise UserError(f"is damaged: its record {shown} does not begin where the list of records says")
    start = info.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))
    if start + info.file_size > len(memory):
        raise UserError(f"is damaged: its record {shown} ends behind the end of the file")
    return start, info


def _read_legacy(memory: mmap.mmap):
    """Reads magic number, version, system info, the data, the storages' keys, and each storage with its count."""
    if _interpret(memory, {}) != LEGACY_MAGIC or _interpret(memory, {}) != LEGACY_VERSION:
        raise UserError("is a pickle but no PyTorch checkpoint: give a file written by torch.save")
    _interpret(memory, {})  # system info; its byte order does not matter: the numbers are always little-endian
    storages: dict[str, Storage] = {}
    result = _interpret(memory, storages)
    keys = _interpret(memory, {})
    strings = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not strings or sorted(keys) != sorted(storages):
        raise UserError("is damaged: the list of its storages does not name those that its tensors use")
    for key in keys:
        storage, start = storages[key], memory.tell() + 8
        count = int.from_bytes(memory.read(8), "little")
        storage.place(memory, start)
        if count != storage.count:
            raise UserError(f"is damaged: a storage has {count} numbers, but the pickle says {storage.count}")
        memory.seek(start + storage.size)
    return result


def read_pickle(file: BinaryIO):
    """The object of a plain pickle, from the file's current position, of containers, scalars and ``Opaque`` notes."""
    return _interpret(file, {})


def _interpret(file, storages: dict[str, Storage]):
    """Interprets one pickle from the file's current position; adds the storages it names to ``storages``."""
    try:
        return _run(file, storages)
    # A damaged pickle: unknown or unfinished opcodes, an empty stack, an unknown memo, a wrong type.
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, struct.error) as error:
        raise UserError(f"is no PyTorch checkpoint, or is damaged or cut short ({brief(error)})") from None


def _run(file, storages):
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def take(count):
        """Pops the topmost ``count`` values, or those above the last mark if ``count`` is None."""
        start = marks.pop() if count is None else len(stack) - count
        if not 0 <= start <= len(stack):
            raise IndexError("its stack is empty")
        taken = stack[start:]
        del stack[start:]
        return taken

    for opcode, argument, _ in pickletools.genops(file):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case name if name in LITERALS:
                stack.append(LITERALS[name])
            case name if name in SCALARS:
                stack.append(argument)
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                stack.append(tuple(take(int(name[5:]) if name[5:] else None)))
            case "LIST" | "FROZENSET":
                stack.append(take(None))
            case "DICT":
                stack.append(_dictionary(take(None)))
            case "APPEND" | "APPENDS" | "ADDITEMS" as name:
                items = take(1 if name == "APPEND" else None)
                if not isinstance(stack[-1], Opaque):
                    _expect(stack[-1], list).extend(items)
            case "SETITEM" | "SETITEMS" as name:
                items = take(2 if name == "SETITEM" else None)
                if not isinstance(stack[-1], Opaque):
                    _expect(stack[-1], dict).update(_dictionary(items))
            case "POP":
                take(1)
            case "DUP":
                stack.append(stack[-1])
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(Global(_expect(argument, str).replace(" ", ".")))
            case "STACK_GLOBAL":
                stack.append(Global(".".join(_expect(part, str) for part in take(2))))
            case "EXT1" | "EXT2" | "EXT4":
                stack.append(Global(f"extension {argument}"))
            case "REDUCE":
                stack.append(_rebuild(*take(2)))
            case "INST":
                stack.append(Opaque(_expect(argument, str).replace(" ", "."), take(None)))
            case "OBJ":
                made, *arguments = take(None)
                stack.append(Opaque(_name(made), arguments))
            case "NEWOBJ" | "NEWOBJ_EX" as name:
                made, *arguments = take(2 if name == "NEWOBJ" else 3)
                stack.append(Opaque(_name(made), arguments))
            case "BUILD":
                # The state of an OrderedDict is PyTorch's _metadata about module versions.
                [state] = take(1)
                if isinstance(stack[-1], Opaque):
                    stack[-1].state.append(state)
                else:
                    _expect(stack[-1], dict)
            case "BINPERSID":
                stack.append(_storage(stack.pop(), storages))
            case name:
                raise UserError(f"uses the pickle opcode {name}, which no checkpoint of tensors needs: refused")


def _expect(value, kind):
    if type(value) is not kind:
        raise TypeError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _dictionary(items: list) -> dict:
    """A dict of key, value, key, value, … Keys that are no scalars have no meaning for tensors, and lose theirs."""
    pairs = zip(items[::2], items[1::2], strict=True)
    return {key if type(key) in KEYS else Opaque(f"a key of type {type(key).__name__}"): value for key, value in pairs}


def _name(function) -> str:
    """The dotted name of what is called: of a global, or of what made an opaque value."""
    return function.name if isinstance(function, Opaque) else _expect(function, Global).name


def _rebuild(function, arguments):
    """The result that calling an allowed global would give; of any other call, a note."""
    name = _name(function)
    if name not in GLOBALS or isinstance(function, Opaque):
        return Opaque(name, arguments)
    arguments = _expect(arguments, tuple)
    if name == ORDERED_DICT:
        pairs = _expect(arguments[0], list) if arguments else []
        return _dictionary([item for key, value in pairs for item in (key, value)])
    if name == REBUILD_TENSOR:
        return arguments[0] if isinstance(arguments[0], Opaque) else _tensor(*arguments[:4])
    if name == REBUILD_PARAMETER:
        return arguments[0] if isinstance(arguments[0], Opaque) else _expect(arguments[0], Tensor)
    return Opaque(name, arguments)


def _storage(identity, storages) -> Storage | Opaque:
    """The storage of a persistent id: ``("storage", type, key, device, count)``, and in the legacy format a view.

    A kind of numbers that NumPy does not have, such as quantized ones, gives a note.
    """
    tag, kind, key, _, count, *view = _expect(identity, tuple)
    if tag == "module":  # how PyTorch before 1.6 kept the source of whole modules
        return Opaque("a module with its source")
    kind, key = _expect(kind, Global).name, _expect(key, str)
    if tag == "storage" and kind not in DTYPES:
        return Opaque(kind)
    known = tag == "storage" and all(item is None for item in view)
    if not known or not 0 <= _expect(count, int) < 2**60:
        raise UserError("is damaged, or refers to something other than a storage of numbers: refused")
    storage = storages.setdefault(key, Storage(kind, count))
    if (storage.kind, storage.count) != (kind, count):
        raise UserError(f"is damaged: it describes its storage {brief(key)} in two ways")
    return storage


def _tensor(storage, offset, shape, strides) -> Tensor | Opaque:
    _expect(storage, Storage)
    for number in (offset, *_expect(shape, tuple), *_expect(strides, tuple)):
        if _expect(number, int) < 0:
            raise UserError("is damaged: a tensor has a negative offset, size or stride")
    # Python's integers do not overflow, so an absurd size is just a large number here.
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if all(shape) and last >= storage.count:
        raise UserError(
            f"is damaged: a tensor reaches element {brief(last)} of a storage that has {brief(storage.count)}"
        )
    # Strides of 0 make any number of numbers of one.
    if len(shape) > MOST_AXES or math.prod(shape) > storage.count:
        return Opaque("a view that repeats its numbers")
    return Tensor(storage, offset, shape, strides)
