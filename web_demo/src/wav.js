const HEADER = 58;

/**
 * A mono WAV file of 32-bit floats, which keeps every sample as it is.
 *
 * @param {Float32Array} samples
 * @param {number} samplingRate
 * @param {string} name
 */
export function wavFile(samples, samplingRate, name) {
  const header = new DataView(new ArrayBuffer(HEADER));
  const text = (at, letters) => [...letters].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  header.setUint32(4, HEADER - 8 + 4 * samples.length, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 18, true);
  header.setUint16(20, 3, true); // floats
  header.setUint16(22, 1, true);
  header.setUint32(24, samplingRate, true);
  header.setUint32(28, 4 * samplingRate, true);
  header.setUint16(32, 4, true);
  header.setUint16(34, 32, true);
  text(38, "fact");
  header.setUint32(42, 4, true);
  header.setUint32(46, samples.length, true);
  text(50, "data");
  header.setUint32(54, 4 * samples.length, true);
  return new File([header, samples], name, { type: "audio/wav" });
}
