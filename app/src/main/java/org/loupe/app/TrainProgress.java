package org.loupe.app;

import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.loupe.train.StepStats;
import org.loupe.train.TrainEvent;
import org.loupe.train.TrainJob;

/** How far training is: tokens of all SAEs together, and the mean figures of those that are being trained. */
final class TrainProgress {
    private final Progress bar;
    private final Map<Path, Long> totals = new HashMap<>();
    private final Map<Path, Long> done = new HashMap<>();
    private final Map<Path, StepStats> latest = new HashMap<>();
    private int ended;

    TrainProgress(Progress bar, List<TrainJob> jobs, long rows) {
        this.bar = bar;
        for (TrainJob job : jobs) {
            totals.put(job.out(), job.config().steps(rows) * job.config().batch());
        }
    }

    void on(TrainEvent event) {
        switch (event) {
            case TrainEvent.Started start ->
                done.put(start.sae(), start.from() * start.config().batch());
            case TrainEvent.Stepped stepped -> {
                done.put(stepped.sae(), stepped.stats().tokens());
                latest.put(stepped.sae(), stepped.stats());
                bar.at("train", "tokens", sum(done.values()), sum(totals.values()), note());
            }
            case TrainEvent.Diverged _, TrainEvent.Finished _, TrainEvent.Complete _ -> {
                done.put(event.sae(), totals.getOrDefault(event.sae(), 0L));
                latest.remove(event.sae());
                ended++;
            }
            case TrainEvent.Saved _ -> {}
        }
    }

    private String note() {
        String figures = String.format(
                Locale.ROOT,
                "FVU %.3f, L0 %.0f, %.0f dead, loss %.3f",
                mean(StepStats::fvu),
                mean(StepStats::l0),
                mean(StepStats::dead),
                mean(StepStats::loss));
        return totals.size() == 1 ? figures : ended + "/" + totals.size() + " SAEs: " + figures;
    }

    private double mean(ToDoubleFunction<StepStats> figure) {
        return latest.values().stream().mapToDouble(figure).average().orElse(0);
    }

    private static long sum(Collection<Long> values) {
        return values.stream().mapToLong(Long::longValue).sum();
    }
}
