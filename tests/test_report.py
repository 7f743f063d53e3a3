"""The page about a run: from event files of a killed and resumed training to HTML, which is parsed again."""

import base64
import io
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from conftest import assert_one_error

from hifigan_tf import report
from hifigan_tf.errors import UserError
from hifigan_tf.training.report_page import MOMENTS, POINTS, averaged, moments
from hifigan_tf.training.tensorboard import Events, Summaries, _masked_crc32c

RUN = 'a "run" <b>&'
CLIP = "<script>clip</script> & co"
SOUND = np.random.default_rng(0).uniform(-0.9, 0.9, (4, 800)).astype(np.float32)
MEL = np.full((25, 16), -5.0, np.float32)


@pytest.fixture
def run(tmp_path, tiny):
    """A run folder with a config and empty logs, and a name that HTML must escape."""
    folder = tmp_path / RUN
    (folder / "logs").mkdir(parents=True)
    (folder / "config.json").write_text(tiny.dumps())
    return folder


@pytest.fixture
def trained(run, tiny):
    """Validated at steps 0, 10 and 20; killed at 40 while writing, resumed from 20, and now at 30."""
    rate = tiny.audio.sampling_rate
    first = Summaries(run / "logs")
    first.sound(f"{CLIP}/original", SOUND[3], rate, MEL, 0)
    for place, step in enumerate((0, 10, 20)):
        first.sound(f"{CLIP}/generated", SOUND[place], rate, MEL, step)
        first.scalars({"validation/log_mel_l1": (2.0, 0.5, 0.75)[place]}, step)
    first.scalars({"validation_ema/log_mel_l1": 0.25, "validation/pesq_wb": 1.5}, 20)
    others = {"gradient_norm/generator": 4.0, "accuracy/mpd_2": 0.5, "new/$_tag": 1.0}
    for step in (10, 20, 30, 40):
        first.scalars({"loss/mel": 8.0, **others}, step)
    (killed,) = (run / "logs").iterdir()
    killed.write_bytes(killed.read_bytes() + killed.read_bytes()[:20])
    Summaries(run / "logs").scalars({"loss/mel": 3.0, **others}, 30)
    return run


class Page(HTMLParser):
    """The elements of a page as ``(name, attributes)``, and its text."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += " ".join([*data.split(), ""])

    def all(self, name, **wanted):
        return [a for tag, a in self.elements if tag == name and wanted.items() <= a.items()]


def decoded(source, kind):
    head, _, data = source.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(data, validate=True)


def test_the_page_holds_what_was_logged(trained, tmp_path, command):
    output = tmp_path / "pages" / "page.html"
    process = command("report", trained, "--output", output)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"{output}: step 30, 1 clips, ")
    assert [path.name for path in output.parent.iterdir()] == ["page.html"]
    page = Page(output)

    # No external resources, and names are escaped.
    assert not page.all("script") + page.all("link") + page.all("iframe")
    sources = [a["src"] for _, a in page.elements if "src" in a]
    assert all(source.startswith("data:") for source in sources)
    assert CLIP in page.text
    assert RUN in page.text
    assert all(image["alt"] for image in page.all("img"))

    sounds = {a["aria-label"]: soundfile.read(io.BytesIO(decoded(a["src"], "audio/flac"))) for a in page.all("audio")}
    labels = [f"{CLIP}, the recording", *(f"{CLIP}, generated at step {step}" for step in (0, 10, 20))]
    assert list(sounds) == labels
    for label, logged in zip(labels, SOUND[[3, 0, 1, 2]], strict=True):
        samples, rate = sounds[label]
        assert rate == 8000
        np.testing.assert_allclose(samples, logged, atol=1 / 32767)
    for picture in page.all("img", **{"class": "mel"}):
        assert decoded(picture["src"], "image/png").startswith(b"\x89PNG")

    charts = page.all("img", **{"class": "chart"})
    assert [a["alt"] for a in charts] == [
        "Validation: log-mel L1: generator from 2 at step 0 to 0.75 at step 20; "
        "moving average from 0.25 at step 20 to 0.25 at step 20",
        "Validation: PESQ-WB: generator from 1.5 at step 20 to 1.5 at step 20",
        "Mel loss: mel from 8 at step 10 to 3 at step 30",
        "Accuracy of the discriminators: mpd 2 from 0.5 at step 10 to 0.5 at step 30",
        "Gradient norms: generator from 4 at step 10 to 4 at step 30",
        "new/$_tag: new/$_tag from 1 at step 10 to 1 at step 30",
    ]
    drawings = [ElementTree.fromstring(decoded(a["src"], "image/svg+xml")) for a in charts]
    assert {"generator", "moving average", "step"} <= {text.text for text in drawings[0].iterfind(".//{*}text")}


def test_the_figures_are_those_of_the_best_and_the_last_step(trained):
    report.main([str(trained)])
    text = Page(trained / "report.html").text
    assert "generator, lower is better 2.0000 step 0 0.5000 step 10 0.7500 step 20" in text
    assert "at step 30 of" in text


def test_steps_that_a_killed_session_took_after_its_checkpoint_do_not_count(trained):
    events = Events(trained / "logs")
    assert len(events.files) == 2
    assert events.scalars["loss/mel"] == {10: 8.0, 20: 8.0, 30: 3.0}
    assert events.last_step == 30


@pytest.mark.parametrize("damage", ["data", "length", "zeros"])
def test_a_damaged_record_hides_no_other(run, caplog, damage):
    """Curves and sound after it are there; only its own point is lost."""
    summaries = Summaries(run / "logs")
    for step in range(1, 31):
        summaries.scalars({"loss/mel": float(step)}, step)
        summaries.sound("a/generated", np.zeros(2000, np.float32), 8000, np.zeros((5, 16), np.float32), step)
    (path,) = (run / "logs").glob("events.*")
    data = bytearray(path.read_bytes())
    starts, place = [], 0
    while place < len(data):
        starts.append(place)
        place += 16 + int.from_bytes(data[place : place + 8], "little")
    first = starts[len(starts) // 2]
    if damage == "data":
        data[first + 12 + 5] ^= 0xFF
    elif damage == "length":
        data[first + 1] ^= 0x40
    else:
        data[first - 30 : first + 8] = bytes(38)
    path.write_bytes(data)
    events = Events(run / "logs")
    for found in (events.scalars["loss/mel"], events.media["audio/a/generated"], events.media["mel/a/generated"]):
        assert len(found) >= 29
        assert max(found) == 30
    wanted = {("audio/a/generated", step) for step in events.media["audio/a/generated"]}
    assert events.read(wanted).keys() == wanted
    assert f"{path} is damaged between bytes" in caplog.messages[0]


def test_a_damaged_first_record_keeps_no_steps_of_the_session_before(run):
    """The first step of a session's file is in its name too: what was logged after it before is forgotten."""
    first = Summaries(run / "logs")
    for step in (10, 20, 30, 40):
        first.scalars({"loss/mel": 8.0}, step)
    (before,) = (run / "logs").iterdir()
    resumed = Summaries(run / "logs")
    for step in (21, 40):
        resumed.scalars({"loss/mel": 3.0}, step)
    (path,) = set((run / "logs").iterdir()) - {before}
    data = bytearray(path.read_bytes())
    second = 16 + int.from_bytes(data[:8], "little")  # the first is the version of the format
    data[second + 20] ^= 0xFF
    path.write_bytes(data)
    assert Events(run / "logs").scalars["loss/mel"] == {10: 8.0, 20: 8.0, 40: 3.0}


def test_damaged_records_are_passed_over_in_place(run, monkeypatch):
    """However many there are, nothing of a file is copied."""
    summaries = Summaries(run / "logs")
    for step in range(1, 31):
        summaries.scalars({"loss/mel": float(step)}, step)
    (path,) = (run / "logs").iterdir()
    data, place = bytearray(path.read_bytes()), 0
    for number in range(30):
        if number % 3 == 1:
            data[place + 20] ^= 0xFF
        place += 16 + int.from_bytes(data[place : place + 8], "little")
    path.write_bytes(data)
    path.chmod(0o400)
    found = Events(run / "logs").scalars["loss/mel"]
    assert len(found) == 20
    assert list(run.rglob("*.tfevents.*")) == [path]


def test_checksums_are_those_of_tfrecord():
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    rows = np.random.default_rng(0).integers(0, 256, (5, 8), dtype=np.uint8)
    assert _masked_crc32c(rows).tolist() == [masked_crc32c(row.tobytes()) for row in rows]


def test_a_run_that_has_validated_nothing_shows_its_training(run, capsys):
    Summaries(run / "logs").scalars({"loss/mel": 1.0}, 5)
    report.main([str(run)])
    assert "nothing has been validated yet" in capsys.readouterr().err
    page = Page(run / "report.html")
    assert "Nothing has been validated yet" in page.text
    assert len(page.all("img", **{"class": "chart"})) == 1
    assert not page.all("audio")


def test_moments_keep_the_first_and_the_last():
    for count in (0, 1, MOMENTS, MOMENTS + 1, 10, 2500):
        steps = list(range(0, 10 * count, 10))
        chosen = moments(steps)
        assert len(chosen) <= MOMENTS
        assert chosen == sorted(set(chosen))
        assert set(chosen) <= set(steps)
        assert chosen[:1] + chosen[-1:] == steps[:1] + steps[-1:]


def test_long_curves_are_averaged_and_gaps_left_out():
    points = {step: float(step % 2) for step in range(4 * POINTS)}
    steps, values = averaged({**points, 1: float("nan"), 3: float("inf")} | {-1: 1.0, -3: 1.0})
    assert len(steps) == len(values) == POINTS
    assert np.mean(values) == 0.5
    assert averaged({3: 1.0, 5: 2.0}) == ([3.0, 5.0], [1.0, 2.0])
    assert averaged({0: float("nan")}) == ([], [])


def test_errors_are_one_line(tmp_path, run, command):
    assert_one_error(command("report", tmp_path / "none"), "none", "is not a folder")
    assert_one_error(command("report", tmp_path), "no run folder", "config.json")
    for arguments, words in (
        ([str(run)], "holds no event files"),
        ([str(run), "--output", str(tmp_path)], "is a folder"),
    ):
        with pytest.raises(UserError, match=words):
            report.main(arguments)
    unreadable = run / "logs" / "events.out.tfevents.1.host"
    unreadable.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        report.main([str(run)])
    unreadable.rmdir()
    unreadable.write_bytes(b"no record")
    with pytest.raises(UserError, match="holds no curves yet"):
        report.main([str(run)])
    assert not (run / "report.html").exists()
