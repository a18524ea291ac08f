package org.loupe.train;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Reads TensorBoard's event files by their definition, with a CRC taken bit by bit. */
final class TensorBoardFile {
    private TensorBoardFile() {}

    /** One event; {@code start} for a SessionLog with the status START. */
    record Event(double wallTime, long step, String version, boolean start, Map<String, Float> scalars) {}

    /** A field of a message: a number, or bytes. */
    private record Field(int number, int wireType, long value, ByteBuffer bytes) {}

    /** Every file of a folder, in the order of names. */
    static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(f -> f.getFileName().toString().startsWith("events.out.tfevents."))
                    .sorted()
                    .toList();
        }
    }

    /** The whole records of a file; what comes after the last of them is no fault. */
    static List<Event> read(Path file) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Event> events = new ArrayList<>();
        while (in.remaining() >= 12) {
            byte[] length = new byte[8];
            in.mark().get(length);
            require(in.getInt() == masked(length), file + ": checksum of a length");
            int n = (int) ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong();
            if (in.remaining() < n + 4) {
                return events;
            }
            byte[] data = new byte[n];
            in.get(data);
            require(in.getInt() == masked(data), file + ": checksum of an event");
            events.add(event(ByteBuffer.wrap(data)));
        }
        return events;
    }

    /**
     * What TensorBoard shows of a run: the scalars of each step, the files read in order, a START dropping all steps from its own
     * on.
     */
    static Map<Long, Map<String, Float>> shown(Path folder) throws IOException {
        TreeMap<Long, Map<String, Float>> shown = new TreeMap<>();
        for (Path file : files(folder)) {
            for (Event event : read(file)) {
                if (event.start()) {
                    shown.tailMap(event.step(), true).clear();
                } else if (event.version().isEmpty()) {
                    require(shown.put(event.step(), event.scalars()) == null, "step " + event.step() + " twice");
                }
            }
        }
        return shown;
    }

    /** x³² + x²⁸ + x²⁷ + x²⁶ + x²⁵ + x²³ + x²² + x²⁰ + x¹⁹ + x¹⁸ + x¹⁴ + x¹³ + x¹¹ + x¹⁰ + x⁹ + x⁸ + x⁶ + 1, bits reversed. */
    static int crc32c(byte[] data) {
        int[] powers = {28, 27, 26, 25, 23, 22, 20, 19, 18, 14, 13, 11, 10, 9, 8, 6, 0};
        int polynomial = 0;
        for (int power : powers) {
            polynomial |= 1 << (31 - power);
        }
        int crc = ~0;
        for (byte b : data) {
            for (int bit = 0; bit < 8; bit++) {
                boolean odd = ((crc ^ (b >> bit)) & 1) != 0;
                crc = odd ? (crc >>> 1) ^ polynomial : crc >>> 1;
            }
        }
        return ~crc;
    }

    private static int masked(byte[] data) {
        int crc = crc32c(data);
        return ((crc >>> 15) | (crc << 17)) + 0xa282ead8;
    }

    private static Event event(ByteBuffer message) {
        double wallTime = 0;
        long step = -1;
        String version = "";
        boolean start = false;
        Map<String, Float> scalars = new TreeMap<>();
        for (Field field : fields(message)) {
            switch (field.number()) {
                case 1 -> wallTime = Double.longBitsToDouble(field.value());
                case 2 -> step = field.value();
                case 3 -> version = text(field.bytes());
                case 5 -> fields(field.bytes()).forEach(value -> addScalar(value.bytes(), scalars));
                case 7 -> start = fields(field.bytes()).getFirst().value() == 1;
                default -> throw new AssertionError("field " + field.number());
            }
        }
        return new Event(wallTime, step, version, start, scalars);
    }

    private static void addScalar(ByteBuffer message, Map<String, Float> into) {
        List<Field> fields = fields(message);
        require(fields.get(0).number() == 1 && fields.get(1).number() == 2, "fields of a value");
        into.put(text(fields.get(0).bytes()), Float.intBitsToFloat((int)
                fields.get(1).value()));
    }

    private static List<Field> fields(ByteBuffer message) {
        ByteBuffer in = message.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        List<Field> fields = new ArrayList<>();
        while (in.hasRemaining()) {
            long tag = varint(in);
            int wireType = (int) (tag % 8);
            ByteBuffer none = ByteBuffer.allocate(0);
            fields.add(
                    switch (wireType) {
                        case 0 -> new Field((int) (tag / 8), wireType, varint(in), none);
                        case 1 -> new Field((int) (tag / 8), wireType, in.getLong(), none);
                        case 5 -> new Field((int) (tag / 8), wireType, in.getInt(), none);
                        case 2 -> {
                            byte[] bytes = new byte[(int) varint(in)];
                            in.get(bytes);
                            yield new Field((int) (tag / 8), wireType, 0, ByteBuffer.wrap(bytes));
                        }
                        default -> throw new AssertionError("wire type " + wireType);
                    });
        }
        return fields;
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte b = in.get();
            value += (b & 127L) << shift;
            if (b >= 0) {
                return value;
            }
        }
    }

    private static String text(ByteBuffer bytes) {
        return StandardCharsets.UTF_8.decode(bytes.duplicate()).toString();
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
