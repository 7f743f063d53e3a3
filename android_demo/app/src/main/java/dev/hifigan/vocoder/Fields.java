package dev.hifigan.vocoder;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The fields of a JSON object by their types; {@link IllegalArgumentException} for one that is missing or wrong. */
final class Fields {
    private final Map<?, ?> values;

    Fields(Object object) {
        if (!(object instanceof Map)) {
            throw new IllegalArgumentException("it is no object");
        }
        values = (Map<?, ?>) object;
    }

    /** All fields, read only, in their order. */
    Map<String, Object> values() {
        Map<String, Object> copy = new LinkedHashMap<String, Object>();
        for (Map.Entry<?, ?> entry : values.entrySet()) {
            copy.put((String) entry.getKey(), entry.getValue());
        }
        return Collections.unmodifiableMap(copy);
    }

    boolean has(String key) {
        return values.containsKey(key);
    }

    boolean isNull(String key) {
        return get(key, Object.class, true) == null;
    }

    Fields object(String key) {
        return new Fields(get(key, Map.class, false));
    }

    String text(String key) {
        return get(key, String.class, false);
    }

    boolean flag(String key) {
        return get(key, Boolean.class, false);
    }

    double number(String key) {
        return get(key, Double.class, false);
    }

    /** A whole number within limits. */
    int integer(String key, int least, int most) {
        return whole(key, get(key, Double.class, false), least, most);
    }

    /** A list of whole numbers within limits. */
    int[] integers(String key, int least, int most) {
        List<?> list = get(key, List.class, false);
        int[] integers = new int[list.size()];
        for (int i = 0; i < integers.length; i++) {
            integers[i] = whole(key, list.get(i), least, most);
        }
        return integers;
    }

    /** Finite numbers: one for each of {@code count} places, or a single one for all of them. */
    double[] numbers(String key, int count) {
        Object value = get(key, Object.class, false);
        double[] numbers = new double[count];
        Arrays.fill(numbers, value instanceof Double ? (Double) value : Double.NaN);
        if (value instanceof List && ((List<?>) value).size() == count) {
            for (int i = 0; i < count; i++) {
                Object item = ((List<?>) value).get(i);
                numbers[i] = item instanceof Double ? (Double) item : Double.NaN;
            }
        }
        for (double number : numbers) {
            if (Double.isNaN(number) || Double.isInfinite(number)) {
                throw wrong(key, value);
            }
        }
        return numbers;
    }

    private <T> T get(String key, Class<T> type, boolean nullable) {
        Object value = values.get(key);
        if (!values.containsKey(key)) {
            throw new IllegalArgumentException("it has no " + key);
        }
        if (value == null ? !nullable : !type.isInstance(value)) {
            throw wrong(key, value);
        }
        return type.cast(value);
    }

    private static int whole(String key, Object value, int least, int most) {
        if (value instanceof Double) {
            double number = (Double) value;
            if (number == Math.rint(number) && number >= least && number <= most) {
                return (int) number;
            }
        }
        throw wrong(key, value);
    }

    private static IllegalArgumentException wrong(String key, Object value) {
        return new IllegalArgumentException("its " + key + " is " + value);
    }
}
