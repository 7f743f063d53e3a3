"""Parts of HTML pages that are one file each: without scripts, other files or network."""

import io
from base64 import b64encode

import numpy as np

# The browser blocks every request that would leave the page.
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0d1117; --text: #e6edf3; --soft: #9aa4af; --line: #30363d; --card: #161b22; }
  img.chart { filter: invert(0.92) hue-rotate(180deg); } /* black on nothing becomes white, hues stay */
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 90rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--text); background: var(--back); }
h1 { margin: 0; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 0.5rem; }
h3 { margin: 1.5rem 0 0.5rem; overflow-wrap: anywhere; }
header p, small, caption, dt { color: var(--soft); }
header p { margin: 0 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
caption { text-align: left; }
th, td { padding: 0.35rem 1rem 0.35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
th small, td small { display: block; font-weight: 400; }
figure, pre { margin: 0; padding: 0.75rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; }
figcaption small { display: block; }
img { display: block; width: 100%; margin: 0.5rem 0; }
img.mel { height: 8rem; border-radius: 0.25rem; }
audio { display: block; width: 100%; height: 2.5rem; }
.charts, .clip, .generated { display: grid; gap: 1rem; }
.charts, .generated { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
@media (min-width: 50rem) {
  .clip { grid-template-columns: 1fr 2fr; }
  .original figure { position: sticky; top: 1rem; } /* stays beside the generated clips */
}
dl { margin: 0 0 0.5rem; display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { overflow-x: auto; }
"""


def document(title: str, header: str, main: str) -> str:
    """A whole page; all three are HTML already."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
{header}
</header>
<main>
{main}
</main>
</body>
</html>
"""


def take(picture: bytes, samples: np.ndarray, rate: int, label: str, caption: str, hint: str) -> str:
    """A figure of a spectrogram, a PNG, over a player of its audio ``[samples]``; the texts are HTML already."""
    sound = data_uri("audio/flac", flac(samples, rate))
    return (
        f"<figure><figcaption><b>{caption}</b> <small>{hint}</small></figcaption>"
        f'<img class="mel" alt="Spectrogram of {label}" src="{data_uri("image/png", picture)}">'
        f'<audio controls preload="metadata" aria-label="{label}" src="{sound}"></audio></figure>'
    )


def data_uri(kind: str, data: bytes) -> str:
    """The bytes of a picture or a sound of this media type, as an address."""
    return f"data:{kind};base64,{b64encode(data).decode()}"


def flac(samples: np.ndarray, rate: int) -> bytes:
    """Audio ``[samples]``, float in -1 to 1 or int16, as a FLAC file of 16 bits."""
    import soundfile

    result = io.BytesIO()
    soundfile.write(result, samples, rate, format="FLAC", subtype="PCM_16")
    return result.getvalue()


def picture(mel: np.ndarray, low: float, high: float) -> bytes:
    """A log-mel ``[frames, num_mels]`` as a PNG, a pixel a value, whose darkest colour is ``low``."""
    from matplotlib import image

    result = io.BytesIO()
    image.imsave(result, mel.T, vmin=low, vmax=high, cmap="magma", origin="lower", format="png")
    return result.getvalue()
