package org.loupe.app;

import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** How far a stage is: a bar with rate and time left on a terminal, a plain line every ten seconds otherwise. */
final class Progress implements AutoCloseable {
    private static final long INTERVAL_NANOS = 10_000_000_000L;
    private static final int BAR_WIDTH = 120;

    /** A longer way is counted in thousands, which leaves the bar some room. */
    private static final long THOUSANDS = 100_000;

    private final Terminal terminal;
    private @Nullable ProgressBar bar;
    private String stage = "";
    private long first;
    private long begun;
    private long printed;

    Progress(Terminal terminal) {
        this.terminal = terminal;
    }

    /** Whether the error stream is a terminal; the start script knows, Java has no way to ask. */
    static boolean terminal() {
        return Boolean.getBoolean("loupe.terminal");
    }

    /**
     * So much is done now. The first call of a stage sets the mark from which its rate counts.
     *
     * @param unit what is counted, in the plural
     * @param note a few words on how it goes, may be empty
     */
    void at(String name, String unit, long done, long total, String note) {
        if (!name.equals(stage)) {
            begin(name, unit, done, total);
        }
        if (bar != null) {
            bar.maxHint(total);
            bar.stepTo(done);
            bar.setExtraMessage(" " + note);
            return;
        }
        long now = System.nanoTime();
        if (now - printed >= INTERVAL_NANOS) {
            printed = now;
            terminal.say(line(unit, done, total, now, note));
        }
    }

    private void begin(String name, String unit, long done, long total) {
        close();
        stage = name;
        first = done;
        begun = System.nanoTime();
        printed = begun;
        if (terminal()) {
            bar = new ProgressBarBuilder()
                    .setTaskName(name + ", " + unit)
                    .setUnit(total > THOUSANDS ? "k" : "", total > THOUSANDS ? 1000 : 1)
                    .setInitialMax(total)
                    .startsFrom(done, java.time.Duration.ZERO)
                    .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                    .setUpdateIntervalMillis(250)
                    .showSpeed()
                    .setMaxRenderedLength(BAR_WIDTH)
                    .setConsumer(new ConsoleProgressBarConsumer(System.err))
                    .build();
        }
    }

    private String line(String unit, long done, long total, long now, String note) {
        double rate = (done - first) / Math.max(1e-9, (now - begun) / 1e9);
        String of = total > 0 ? String.format(Locale.ROOT, " of %,d", total) : "";
        String left = rate > 0 && total > 0 ? ", " + clock((total - done) / rate) + " left" : "";
        return String.format(
                Locale.ROOT,
                "%s: %,d%s %s, %,.0f/s%s%s",
                stage,
                done,
                of,
                unit,
                rate,
                left,
                note.isEmpty() ? "" : "  " + note);
    }

    /** 75 seconds are 1:15. */
    static String clock(double time) {
        long seconds = Math.round(time);
        return seconds >= 3600
                ? String.format(Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
                : String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60);
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }
}
