package org.loupe.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.loupe.io.BadInput;
import org.loupe.io.Json;

class SynthConfigTest {
    private static void refused(String says, Executable executable) {
        String message = String.valueOf(assertThrows(BadInput.class, executable).getMessage());
        assertTrue(message.contains(says), message);
    }

    @Test
    void everyValueOutOfItsRangeIsNamed() {
        SynthConfig small = Worlds.SMALL;
        refused("features is 0", () -> Worlds.size(small, 0, 8));
        refused("width is 0", () -> Worlds.size(small, 12, 0));
        refused("features × width is 10000000000", () -> Worlds.size(small, 100_000, 100_000));
        refused("rows is 0", () -> Worlds.rows(small, 0, 5));
        refused("eval rows is 0", () -> Worlds.rows(small, 5, 0));
        refused("eval rows × width is 8000000000", () -> Worlds.rows(small, 5, 1_000_000_000));
        refused("correlation is -0.1", () -> Worlds.together(small, -0.1, 4, 0));
        refused("correlation is NaN", () -> Worlds.together(small, Double.NaN, 4, 0));
        refused("group is 0", () -> Worlds.together(small, 0.5, 0, 0));
        refused("children is -1", () -> Worlds.together(small, 0, 4, -1));
        refused(
                "features is 12, expected a multiple of a parent with its children: 5",
                () -> Worlds.together(small, 0, 4, 4));
        refused("noise is -1.0", () -> Worlds.shifted(small, -1, 0));
        refused("mean is Infinity", () -> Worlds.shifted(small, 0, Double.POSITIVE_INFINITY));
        refused("active is 0.0", () -> Worlds.law(small, Firing.FLAT, 0, Magnitude.UNIFORM, false));
        refused(
                "active is 6.1, expected above 0 and at most 6.0",
                () -> Worlds.law(small, Firing.FLAT, 6.1, Magnitude.UNIFORM, false));
        // Three parents on half of the rows, each with a child on half of those.
        refused("at most 2.25", () -> Worlds.together(small, 0, 4, 3));
    }

    @ParameterizedTest
    @EnumSource(World.class)
    void everyNamedWorldIsThereAndComesBackFromJson(World world) throws Exception {
        SynthConfig config = world.config();
        String json = Json.MAPPER.writeValueAsString(config);
        assertEquals(config, Json.MAPPER.readValue(json, SynthConfig.class));
        assertTrue(json.contains(world == World.ZIPF ? "\"zipf\"" : "\"flat\""), json);
    }
}
