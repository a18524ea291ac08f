package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class EventLogTest {
    @TempDir
    Path folder;

    /** The check value of CRC-32C in the catalogue of parametrised CRC algorithms. */
    @Test
    void theReaderOfTheseTestsKnowsTheChecksum() {
        assertEquals(0xE3069283, TensorBoardFile.crc32c("123456789".getBytes(StandardCharsets.US_ASCII)));
    }

    /** 300 is the worked example of the encoding's documentation: 08 AC 02 is no small varint. */
    @Test
    void aMessageHasTheBytesOfTheDocumentation() {
        byte[] message = new ProtobufMessage()
                .varint(1, 150)
                .string(2, "testing")
                .message(3, new ProtobufMessage().varint(1, 300))
                .f32(4, 1)
                .f64(5, -2)
                .varint(16, 1)
                .toBytes();
        String expected = "08 96 01 12 07 74 65 73 74 69 6e 67 1a 03 08 ac 02 25 00 00 80 3f"
                + " 29 00 00 00 00 00 00 00 c0 80 01 01";
        assertArrayEquals(HexFormat.of().parseHex(expected.replace(" ", "")), message);
    }

    @Test
    void eventsComeBackFromTheirBytes() throws IOException {
        Map<String, Number> figures = new LinkedHashMap<>();
        figures.put("loss", 0.1);
        figures.put("dead", 16_777_216);
        double before = System.currentTimeMillis() / 1e3;
        try (EventLog log = new EventLog(folder, 5)) {
            log.add(6, figures);
            log.add(1L << 40, Map.of("loss", Double.MIN_VALUE));
        }
        List<TensorBoardFile.Event> events =
                TensorBoardFile.read(TensorBoardFile.files(folder).getFirst());
        assertEquals("brain.Event:2", events.get(0).version());
        assertTrue(events.get(1).start());
        assertEquals(6, events.get(1).step());
        assertEquals(6, events.get(2).step());
        assertEquals(
                Map.of("train/loss", 0.1f, "train/dead", 16_777_216f),
                events.get(2).scalars());
        assertEquals(1L << 40, events.get(3).step());
        assertEquals(4, events.size());
        double now = System.currentTimeMillis() / 1e3;
        assertTrue(events.stream().allMatch(e -> e.wallTime() >= before && e.wallTime() <= now), events.toString());
    }

    @Test
    void everyStartHasAFileAndTheyAreInOrder() throws IOException {
        for (int i = 0; i < 12; i++) {
            new EventLog(folder, i).close();
        }
        List<Path> files = TensorBoardFile.files(folder);
        for (int i = 0; i < 12; i++) {
            assertEquals(i + 1, TensorBoardFile.read(files.get(i)).get(1).step());
        }
        Files.writeString(folder.resolve("events.out.tfevents.other"), "");
        EventLog.clear(folder);
        assertEquals(List.of(folder.resolve("events.out.tfevents.other")), TensorBoardFile.files(folder));
    }

    /** The killed process had tracked steps after its checkpoint, and half of a record. */
    @Test
    void aRunThatGoesOnShowsEveryStepOnceWithTheFiguresOfStepsJsonl() throws IOException {
        TrainConfig config = TrainRuns.config("checkpoint_seconds=1000");
        TrainRuns.interruptAfter(folder, config, 31);
        Path first = TensorBoardFile.files(folder).getFirst();
        byte[] record = Files.readAllBytes(first);
        Files.write(first, java.util.Arrays.copyOf(record, record.length - 3));
        TrainRuns.train(folder, TrainRuns.rows(), config, event -> {});

        assertEquals(2, TensorBoardFile.files(folder).size());
        assertEquals(30, TensorBoardFile.read(first).getLast().step());
        Map<Long, Map<String, Float>> shown = TensorBoardFile.shown(folder);
        assertEquals(TrainRuns.STEPS, shown.size());
        for (JsonNode line : TrainRuns.log(folder)) {
            Map<String, Float> expected = new LinkedHashMap<>();
            line.properties().forEach(p -> {
                if (!p.getKey().equals("step") && !p.getKey().equals("tokens")) {
                    expected.put("train/" + p.getKey(), (float) p.getValue().asDouble());
                }
            });
            assertEquals(expected, shown.get(line.path("step").asLong()));
        }
    }
}
