package dev.hifigan.demo;

/** The two tracks that can be played. */
enum Track {
    ORIGINAL,
    VOCODED
}
