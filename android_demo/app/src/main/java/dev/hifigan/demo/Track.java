package dev.hifigan.demo;

/** The two things that can be heard. */
enum Track {
    ORIGINAL,
    VOCODED
}
