package org.loupe.train;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;
import org.loupe.io.AtomicFiles;

/**
 * The tracking file for TensorBoard, one a start of the run, {@code events.out.tfevents.000000.loupe} the first. It is a sequence
 * of TFRecords (TensorFlow, {@code record_writer.h}), each with one Event ({@code event.proto}, {@code summary.proto}):
 *
 * <pre>
 *   record     ┌──────────┬──────────────────────┬───────────────┬────────────────────┐
 *              │ n u64    │ mask(crc of the n)   │ Event         │ mask(crc of Event) │
 *              │ 8 bytes  │ u32                  │ n bytes       │ u32                │     little-endian
 *              └──────────┴──────────────────────┴───────────────┴────────────────────┘
 *   crc        CRC-32C;  mask(c) = (c rotated right by 15 bits) + 0xa282ead8
 *   Event      1 wall_time f64 (seconds) · 2 step varint · then one of
 *              3 file_version string · 5 Summary · 7 SessionLog
 *   Summary    1 Value, repeated:  1 tag string · 2 simple_value f32
 *   SessionLog 1 status varint, START = 1
 * </pre>
 *
 * A file begins with its version and a START of the first step that it may hold. Of a run that was killed after its last
 * checkpoint, that makes TensorBoard drop the steps in earlier files which the run takes again.
 */
final class EventLog implements AutoCloseable {
    private static final String FILES = "events.out.tfevents.*.loupe";

    private static final int WALL_TIME = 1;
    private static final int STEP = 2;
    private static final int FILE_VERSION = 3;
    private static final int SUMMARY = 5;
    private static final int SESSION_LOG = 7;
    private static final int START = 1;

    private static final int MASK = 0xa282ead8;

    private final Path file;
    private final OutputStream out;

    /** Opens the next file of a run that has done {@code from} steps. */
    EventLog(Path folder, long from) {
        file = folder.resolve(String.format(
                Locale.ROOT, FILES.replace("*", "%06d"), files(folder).size()));
        try {
            out = new BufferedOutputStream(Files.newOutputStream(file));
        } catch (IOException e) {
            throw failed(e);
        }
        write(event(0).string(FILE_VERSION, "brain.Event:2"));
        write(event(from + 1).message(SESSION_LOG, new ProtobufMessage().varint(1, START)));
    }

    /** Deletes the files of all starts. */
    static void clear(Path folder) {
        files(folder).forEach(AtomicFiles::delete);
    }

    private static List<Path> files(Path folder) {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, FILES)) {
            found.forEach(files::add);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder + ": " + e.getMessage(), e);
        }
        return files;
    }

    /** One event with the figures of a step, each under the tag {@code train/} and its name. */
    void add(long step, Map<String, Number> figures) {
        ProtobufMessage summary = new ProtobufMessage();
        figures.forEach((name, figure) -> summary.message(
                1, new ProtobufMessage().string(1, "train/" + name).f32(2, figure.floatValue())));
        write(event(step).message(SUMMARY, summary));
    }

    private static ProtobufMessage event(long step) {
        return new ProtobufMessage()
                .f64(WALL_TIME, System.currentTimeMillis() / 1e3)
                .varint(STEP, step);
    }

    private void write(ProtobufMessage event) {
        byte[] data = event.toBytes();
        byte[] length = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(data.length)
                .array();
        try {
            out.write(length);
            out.write(checksum(length));
            out.write(data);
            out.write(checksum(data));
            out.flush();
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private static byte[] checksum(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        int masked = Integer.rotateRight((int) crc.getValue(), 15) + MASK;
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(masked)
                .array();
    }

    private UncheckedIOException failed(IOException e) {
        return new UncheckedIOException("cannot write " + file + ": " + e.getMessage(), e);
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw failed(e);
        }
    }
}
