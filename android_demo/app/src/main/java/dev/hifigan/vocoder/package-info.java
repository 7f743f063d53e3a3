/**
 * A vocoder for any JVM: log-mel frames to speech, by models of this project, without a class of Android.
 *
 * <ul>
 *   <li>{@link dev.hifigan.vocoder.StreamingVocoder}: frames in, audio out, from a {@code .tflite} and its
 *       {@link dev.hifigan.vocoder.Contract}. It is all that an acoustic model needs.
 *   <li>{@link dev.hifigan.vocoder.MelAnalyzer}: audio in, frames out, by the mel front end as a model.
 *   <li>{@link dev.hifigan.vocoder.VocodingJob}: from a source of mels ({@link dev.hifigan.vocoder.NpyReader},
 *       {@link dev.hifigan.vocoder.AudioMels}) to a sink of audio ({@link dev.hifigan.vocoder.WavWriter}, a
 *       loudspeaker), with progress, figures and an end at any time.
 * </ul>
 *
 * <p>Bad input is a {@link dev.hifigan.vocoder.ModelException} or an {@link dev.hifigan.vocoder.InputException}, with a
 * line for the screen.
 */
package dev.hifigan.vocoder;
