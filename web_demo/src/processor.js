/** The processor as far as the browser reveals it, such as "x86, 64 bits, 8 cores". @returns {Promise<string>} */
export async function processorName() {
  const known = await navigator.userAgentData?.getHighEntropyValues(["architecture", "bitness"]).catch(() => null);
  const cores = navigator.hardwareConcurrency;
  const parts = [
    known?.architecture,
    known?.bitness && `${known.bitness} bits`,
    cores && `${cores} ${cores === 1 ? "core" : "cores"}`,
  ];
  return parts.filter(Boolean).join(", ");
}
