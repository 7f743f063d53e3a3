/**
 * A vocoder for any JVM: log-mel frames to speech with models of this project, without Android classes.
 *
 * <ul>
 *   <li>{@link dev.hifigan.vocoder.StreamingVocoder}: frames in, audio out, from a {@code .tflite} and its
 *       {@link dev.hifigan.vocoder.Contract}. An acoustic model needs no more.
 *   <li>{@link dev.hifigan.vocoder.MelAnalyzer}: audio in, frames out, by the mel front end as a model.
 *   <li>{@link dev.hifigan.vocoder.VocodingJob}: from a source of mels ({@link dev.hifigan.vocoder.NpyReader},
 *       {@link dev.hifigan.vocoder.AudioMels}) to a sink of audio ({@link dev.hifigan.vocoder.WavWriter}, a
 *       loudspeaker), with progress, figures and cancelling.
 * </ul>
 *
 * <p>Bad input raises {@link dev.hifigan.vocoder.ModelException} or {@link dev.hifigan.vocoder.InputException}, with a
 * one-line message for the screen.
 */
package dev.hifigan.vocoder;
