package org.loupe.experiment;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.activations.RowSource;
import org.loupe.activations.SafetensorsRows;
import org.loupe.eval.EvalReport;
import org.loupe.eval.Evaluation;
import org.loupe.eval.Metric;
import org.loupe.sae.SaeFolder;
import org.loupe.synth.Synth;
import org.loupe.synth.SynthConfig;
import org.loupe.synth.Truth;
import org.loupe.tensor.Workers;

/**
 * A world with a known dictionary.
 *
 * @param train rows to train on
 * @param eval rows to evaluate on, whose codes are known
 */
public record SyntheticWorld(SynthConfig config, RowSource train, RowSource eval, Truth truth)
        implements AutoCloseable {
    static SyntheticWorld make(SynthConfig config, Path folder, Workers workers, Synth.Progress progress) {
        Synth.run(config, folder, workers, progress);
        return new SyntheticWorld(
                config,
                SafetensorsRows.open(folder.resolve(Synth.TRAIN), null),
                SafetensorsRows.open(folder.resolve(Synth.EVAL), null),
                Truth.read(folder.resolve(Synth.TRUTH)));
    }

    /** Figures of an SAE on the evaluation rows. */
    public Map<String, Double> evaluate(SaeFolder.Loaded loaded, List<Metric> metrics, Workers workers) {
        EvalReport report = Evaluation.rows(
                        loaded, eval, Evaluation.Options.DEFAULT.withTruth(truth), workers, Evaluation.Progress.NONE)
                .report();
        Map<String, Double> values = new LinkedHashMap<>();
        metrics.forEach(metric -> RealModel.put(values, metric, report.value(metric)));
        return values;
    }

    @Override
    public void close() {
        train.close();
        eval.close();
    }
}
