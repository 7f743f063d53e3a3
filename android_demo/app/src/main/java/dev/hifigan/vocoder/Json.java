package dev.hifigan.vocoder;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A small strict JSON: objects are {@link Map}s in their order, arrays {@link List}s, numbers {@link Double}s. */
public final class Json {
    private static final int MAX_DEPTH = 64; // keeps a hostile file from overflowing the stack

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** @throws IllegalArgumentException that says what is wrong and where */
    public static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value(0);
        json.skipSpace();
        if (json.at < text.length()) {
            throw json.error("more after the end");
        }
        return value;
    }

    /** Maps, lists, strings, numbers, booleans and null as indented text; NaN and infinity become null. */
    public static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, "\n", out);
        return out.append('\n').toString();
    }

    private Object value(int depth) {
        if (depth > MAX_DEPTH) {
            throw error("nested too deeply");
        }
        skipSpace();
        char first = peek();
        if (first == '{') {
            return object(depth);
        } else if (first == '[') {
            return array(depth);
        } else if (first == '"') {
            return string();
        } else if (first == '-' || isDigit(first)) {
            return number();
        }
        return word();
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> object = new LinkedHashMap<String, Object>();
        at++;
        if (closes('}')) {
            return object;
        }
        do {
            skipSpace();
            String key = string();
            expect(':');
            if (object.containsKey(key)) {
                throw error("the key \"" + key + "\" twice");
            }
            object.put(key, value(depth + 1));
        } while (continues('}'));
        return object;
    }

    private List<Object> array(int depth) {
        List<Object> array = new ArrayList<Object>();
        at++;
        if (closes(']')) {
            return array;
        }
        do {
            array.add(value(depth + 1));
        } while (continues(']'));
        return array;
    }

    private String string() {
        if (peek() != '"') {
            throw error("a string expected");
        }
        at++;
        StringBuilder string = new StringBuilder();
        while (peek() != '"') {
            char c = text.charAt(at++);
            if (c < ' ') {
                throw error("a control character in a string");
            }
            string.append(c == '\\' ? escaped() : c);
        }
        at++;
        return string.toString();
    }

    private char escaped() {
        char c = peek();
        at++;
        switch (c) {
            case '"':
            case '\\':
            case '/':
                return c;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                return unicode();
            default:
                throw error("an unknown escape \\" + c);
        }
    }

    private char unicode() {
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = Character.digit(peek(), 16);
            if (digit < 0) {
                throw error("four hexadecimal digits expected");
            }
            code = code * 16 + digit;
            at++;
        }
        return (char) code;
    }

    private Double number() {
        int start = at;
        at += peek() == '-' ? 1 : 0;
        if (peek() == '0') {
            at++;
        } else {
            digits();
        }
        if (at < text.length() && text.charAt(at) == '.') {
            at++;
            digits();
        }
        if (at < text.length() && (text.charAt(at) == 'e' || text.charAt(at) == 'E')) {
            at++;
            at += peek() == '-' || peek() == '+' ? 1 : 0;
            digits();
        }
        return Double.valueOf(text.substring(start, at));
    }

    private void digits() {
        if (!isDigit(peek())) {
            throw error("a digit expected");
        }
        while (at < text.length() && isDigit(text.charAt(at))) {
            at++;
        }
    }

    private Object word() {
        if (text.startsWith("true", at)) {
            at += 4;
            return Boolean.TRUE;
        } else if (text.startsWith("false", at)) {
            at += 5;
            return Boolean.FALSE;
        } else if (text.startsWith("null", at)) {
            at += 4;
            return null;
        }
        throw error("a value expected");
    }

    private boolean closes(char end) {
        skipSpace();
        if (peek() != end) {
            return false;
        }
        at++;
        return true;
    }

    private boolean continues(char end) {
        if (closes(end)) {
            return false;
        }
        expect(',');
        return true;
    }

    private void expect(char c) {
        skipSpace();
        if (peek() != c) {
            throw error("'" + c + "' expected");
        }
        at++;
    }

    private char peek() {
        if (at >= text.length()) {
            throw error("cut short");
        }
        return text.charAt(at);
    }

    private void skipSpace() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private IllegalArgumentException error(String what) {
        return new IllegalArgumentException(what + ", at character " + at);
    }

    private static void write(Object value, String newLine, StringBuilder out) {
        if (value instanceof Map) {
            writeAll('{', ((Map<?, ?>) value).entrySet(), '}', newLine, out);
        } else if (value instanceof List) {
            writeAll('[', (List<?>) value, ']', newLine, out);
        } else if (value instanceof Map.Entry) {
            Map.Entry<?, ?> entry = (Map.Entry<?, ?>) value;
            write(entry.getKey().toString(), newLine, out);
            out.append(": ");
            write(entry.getValue(), newLine, out);
        } else if (value instanceof Number) {
            double number = ((Number) value).doubleValue();
            boolean finite = !Double.isNaN(number) && !Double.isInfinite(number);
            out.append(finite ? value.toString() : "null");
        } else if (value == null || value instanceof Boolean) {
            out.append(value);
        } else {
            writeString(value.toString(), out);
        }
    }

    private static void writeAll(char begin, Iterable<?> items, char end, String newLine, StringBuilder out) {
        String separator = "";
        out.append(begin);
        for (Object item : items) {
            out.append(separator).append(newLine).append("  ");
            write(item, newLine + "  ", out);
            separator = ",";
        }
        out.append(separator.isEmpty() ? "" : newLine).append(end);
    }

    private static void writeString(String string, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < string.length(); i++) {
            char c = string.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
