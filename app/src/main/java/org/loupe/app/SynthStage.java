package org.loupe.app;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.loupe.synth.Synth;
import org.loupe.synth.SynthConfig;
import org.loupe.synth.SynthInfo;
import org.loupe.tensor.Workers;

/** Makes rows with progress and one line of result. */
final class SynthStage {
    private SynthStage() {}

    /**
     * What the stage did.
     *
     * @param seconds of this start; 0 where there was nothing left to do
     */
    record Result(Path out, SynthInfo info, boolean complete, double seconds) {
        Map<String, Object> toJson() {
            SynthConfig config = info.config();
            return Terminal.object(
                    "out", out.toString(),
                    "complete", complete,
                    "rows", config.rows(),
                    "eval_rows", config.evalRows(),
                    "width", config.width(),
                    "features", config.features(),
                    "l0", info.l0(),
                    "fvu_floor", info.fvuFloor(),
                    "coherence", info.coherence(),
                    "seconds", seconds,
                    "rows_per_second", seconds > 0 ? (config.rows() + config.evalRows()) / seconds : 0);
        }
    }

    /** Makes a folder, or says that it is complete. */
    static Result run(Terminal terminal, SynthConfig config, Path out, Workers workers) {
        long start = System.nanoTime();
        Synth.Result made;
        try (Progress progress = new Progress(terminal)) {
            made = Synth.run(config, out, workers, (done, total) -> progress.at("synth", "rows", done, total, ""));
        }
        SynthInfo info = made.info();
        double seconds = made.complete() ? 0 : (System.nanoTime() - start) / 1e9;
        terminal.say(String.format(
                Locale.ROOT,
                "synth: %s%,d + %,d rows of width %d, %,d features, L0 %.2f, noise floor of FVU %.4f%s → %s",
                made.complete() ? "complete already, " : "",
                config.rows(),
                config.evalRows(),
                config.width(),
                config.features(),
                info.l0(),
                info.fvuFloor(),
                made.complete() ? "" : String.format(Locale.ROOT, "; in %.1f s", seconds),
                out));
        return new Result(out, info, made.complete(), seconds);
    }
}
