package org.loupe.lm;

import java.util.ArrayList;
import java.util.List;

/** A value of a GGUF file's metadata. */
sealed interface GgufValue {
    /** Any of the integer types. */
    record Whole(long value) implements GgufValue {}

    /** f32 or f64. */
    record Real(double value) implements GgufValue {}

    record Flag(boolean value) implements GgufValue {}

    record Text(String value) implements GgufValue {}

    /** An array, checked on opening and decoded when asked for: vocabularies are long. */
    record Items(GgufReader reader, int type, long count, long begin) implements GgufValue {
        /** All elements. */
        List<GgufValue> values() {
            List<GgufValue> values = new ArrayList<>();
            GgufReader at = reader.at(begin);
            for (long i = 0; i < count; i++) {
                values.add(at.value(type));
            }
            return values;
        }
    }
}
