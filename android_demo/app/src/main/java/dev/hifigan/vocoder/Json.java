package dev.hifigan.vocoder;

import java.util.Map;

/** A small strict JSON: objects are {@link Map}, arrays {@link java.util.List}, numbers {@link Double}. */
public final class Json {
    private Json() {}

    /** @throws IllegalArgumentException that says what is wrong and where */
    public static Object parse(String text) {
        throw new UnsupportedOperationException("skeleton");
    }

    /** Maps, lists, strings, numbers, booleans and null as indented text; NaN and infinity become null. */
    public static String write(Object value) {
        throw new UnsupportedOperationException("skeleton");
    }
}
