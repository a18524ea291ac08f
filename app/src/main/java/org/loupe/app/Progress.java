package org.loupe.app;

import java.io.PrintWriter;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** How far a stage is: a bar with rate and time left on a terminal, a plain line every ten seconds otherwise. */
final class Progress implements AutoCloseable {
    private static final long INTERVAL_NANOS = 10_000_000_000L;

    private final String stage;
    private final String unit;
    private final long total;
    private final PrintWriter err;
    private final @Nullable ProgressBar bar;
    private long begun = System.nanoTime();
    private long start = -1;
    private long printed = begun;

    /** @param unit what is counted, in the plural */
    Progress(String stage, String unit, long total, PrintWriter err) {
        this.stage = stage;
        this.unit = unit;
        this.total = total;
        this.err = err;
        this.bar = terminal() ? bar(stage, unit, total) : null;
    }

    /** Whether the error stream is a terminal; the start script knows, Java has no way to ask. */
    static boolean terminal() {
        return Boolean.getBoolean("loupe.terminal");
    }

    private static ProgressBar bar(String stage, String unit, long total) {
        return new ProgressBarBuilder()
                .setTaskName(stage)
                .setUnit(" " + unit, 1)
                .setInitialMax(total)
                .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                .setUpdateIntervalMillis(250)
                .showSpeed()
                .setMaxRenderedLength(110)
                .setConsumer(new ConsoleProgressBarConsumer(System.err))
                .build();
    }

    /** So much is done now, of {@link #total}; the first call sets the mark from which the rate counts. */
    void at(long done, String note) {
        if (bar != null) {
            bar.stepTo(done);
            bar.setExtraMessage(note);
            return;
        }
        long now = System.nanoTime();
        if (start < 0) {
            start = done;
            begun = now;
        }
        if (now - printed >= INTERVAL_NANOS) {
            printed = now;
            err.println(line(done, now, note));
        }
    }

    private String line(long done, long now, String note) {
        double rate = (done - start) / Math.max(1e-9, (now - begun) / 1e9);
        String left = rate > 0 ? ", " + clock(Math.round((total - done) / rate)) + " left" : "";
        return String.format(
                Locale.ROOT,
                "%s: %,d of %,d %s, %,.0f/s%s%s",
                stage,
                done,
                total,
                unit,
                rate,
                left,
                note.isEmpty() ? "" : "  " + note);
    }

    /** 75 seconds are 1:15. */
    static String clock(long seconds) {
        return seconds >= 3600
                ? String.format(Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
                : String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60);
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
