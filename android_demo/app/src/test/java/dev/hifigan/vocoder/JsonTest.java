package dev.hifigan.vocoder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.Test;

public class JsonTest {
    @Test
    public void readsEveryKindOfValue() {
        Map<String, Object> expected = new LinkedHashMap<>();
        expected.put("text", "a\"b\\c/\n\t\r\b\f\u00e9\ud55c");
        expected.put("numbers", Arrays.<Object>asList(0.0, -1.5, 1e-5, 20000.0, 0.25));
        expected.put("flags", Arrays.<Object>asList(true, false, null));
        expected.put("empty", Arrays.<Object>asList(Collections.emptyMap(), Collections.emptyList()));
        Object parsed = Json.parse(" {\"text\": \"a\\\"b\\\\c\\/\\n\\t\\r\\b\\f\\u00e9\ud55c\",\n"
                + "\"numbers\": [0, -1.5, 1e-5, 2E+4, 0.25], \"flags\": [true, false, null], \"empty\": [{}, []]} ");
        assertEquals(expected, parsed);
    }

    @Test
    public void keepsTheOrderOfKeys() {
        assertEquals("[b, a, c]", ((Map<?, ?>) Json.parse("{\"b\": 1, \"a\": 2, \"c\": 3}")).keySet().toString());
    }

    @Test
    public void readsWhatItWrites() {
        String text = "{\"a\": [1.5, \"\\\"quoted\\\" \\u0001 \\\\\", {\"b\": null}], \"c\": {}, \"d\": [], \"e\": 1}";
        assertEquals(Json.parse(text), Json.parse(Json.write(Json.parse(text))));
    }

    @Test
    public void writesIndented() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("threads", 2);
        map.put("list", Arrays.asList("x", 0.5f));
        assertEquals("{\n  \"threads\": 2,\n  \"list\": [\n    \"x\",\n    0.5\n  ]\n}\n", Json.write(map));
    }

    @Test
    public void writesNullForNonFiniteNumbers() {
        assertEquals("[\n  null,\n  null\n]\n", Json.write(Arrays.asList(Double.NaN, Float.NEGATIVE_INFINITY)));
    }

    @Test
    public void refusesInvalidJson() {
        String[] wrong = {
            "", "{", "[1", "[1,]", "{\"a\" 1}", "{\"a\": 1,}", "{a: 1}", "01", "1.", ".5", "+1", "1e", "-", "NaN",
            "nul",
            "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "[1] 2", "'a'", "{\"a\": 1, \"a\": 2}"
        };
        for (String text : wrong) {
            assertThrows(text, IllegalArgumentException.class, () -> Json.parse(text));
        }
    }

    @Test
    public void saysWhatIsWrongAndWhere() {
        String message = assertThrows(IllegalArgumentException.class, () -> Json.parse("{\"a\": ?}")).getMessage();
        assertEquals("a value expected, at character 6", message);
    }

    @Test
    public void refusesNestingThatWouldOverflowTheStack() {
        StringBuilder deep = new StringBuilder();
        for (int i = 0; i < 100000; i++) {
            deep.append('[');
        }
        assertThrows(IllegalArgumentException.class, () -> Json.parse(deep.toString()));
    }
}
