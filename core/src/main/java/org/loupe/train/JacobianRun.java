package org.loupe.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.loupe.activations.Prefetcher;
import org.loupe.activations.RowSource;
import org.loupe.activations.ShuffledRows;
import org.loupe.io.AtomicFiles;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.io.Provenance;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Two SAEs trained together, one of an MLP's input and one of its output, on the same rows (Farnik et al. 2025, arXiv 2502.18147):
 *
 * <pre>
 * Σ‖x − x̂‖² / V_x + Σ‖y − ŷ‖² / V_y + λ mean |J_ij|
 * </pre>
 *
 * J of {@link JacobianPenalty}, in the units of training, in which E‖x‖² = d and dictionary rows have norm 1. A folder holds {@code run.json},
 * {@code steps.jsonl} with the {@link JacobianFigures} of each batch, one checkpoint of both while it runs, and the SAEs' own
 * folders {@value #IN} and {@value #OUT}. It resumes to the same bits.
 */
public final class JacobianRun {
    public static final String IN = "in";
    public static final String OUT = "out";

    /** About this many steps are tracked. */
    private static final long LINES = 1000;

    private final Path folder;
    private final RowSource pairs;
    private final GatedMlp mlp;
    private final TrainConfig config;
    private final double weight;
    private final Consumer<TrainEvent> listener;

    private JacobianRun(
            Path folder,
            RowSource pairs,
            GatedMlp mlp,
            TrainConfig config,
            double weight,
            Consumer<TrainEvent> listener) {
        this.folder = folder;
        this.pairs = pairs;
        this.mlp = mlp;
        this.config = config;
        this.weight = weight;
        this.listener = listener;
    }

    /**
     * Trains a pair, goes on training it, or finds it complete.
     *
     * @param pairs [the MLP's input | its output]
     * @param config of both SAEs
     * @param weight λ; 0: two SAEs that do not know of each other
     * @throws BadInput where the configuration is none of this objective, the run diverges, or the folder holds another run
     */
    public static void train(
            Path folder,
            RowSource pairs,
            GatedMlp mlp,
            TrainConfig config,
            double weight,
            Consumer<TrainEvent> listener) {
        new JacobianRun(folder, pairs, mlp, config, weight, listener).run();
    }

    /** The folders of the two SAEs as jobs. */
    public static List<TrainJob> jobs(Path folder, TrainConfig config) {
        return List.of(new TrainJob(folder.resolve(IN), config), new TrainJob(folder.resolve(OUT), config));
    }

    /** Deletes the files of a run, finished or not, and nothing else. */
    public static void clear(Path folder) {
        for (Path each : List.of(folder.resolve(IN), folder.resolve(OUT), folder)) {
            TrainRun.clear(each);
        }
    }

    private void run() {
        check();
        List<TrainJob> jobs = jobs(folder, config);
        // Twice what the two SAEs need: products over the neurons, [latents × neurons], take about as much again.
        Memory.require(jobs, pairs.width());
        try (FolderLock _ = FolderLock.take(folder);
                FolderLock _ = FolderLock.take(folder.resolve(IN));
                FolderLock _ = FolderLock.take(folder.resolve(OUT))) {
            Provenance read = pairs.provenance();
            Provenance written = new Provenance(
                    read.model(),
                    read.modelSha256(),
                    read.text(),
                    pairs.targetHook(),
                    read.seed(),
                    read.loupe(),
                    read.machine());
            List<RunRecord> records = List.of(
                    record(read, read.hook(), read.hook(), mlp.dIn()),
                    record(written, written.hook(), written.hook(), mlp.dOut()));
            RunRecord both = record(read, read.hook(), pairs.targetHook(), pairs.width());
            both.check(folder);
            jobs.forEach(job -> requireOwn(job.out()));
            both.claim(folder);
            if (jobs.stream().allMatch(job -> TrainRun.isComplete(job.out()))) {
                AtomicFiles.delete(checkpoint());
                jobs.forEach(job -> listener.accept(new TrainEvent.Complete(job.out())));
                return;
            }
            train(jobs, records);
        }
    }

    /** Refuses the folder of an SAE that was trained alone, or brought from elsewhere. */
    private void requireOwn(Path side) {
        boolean alone = Files.exists(side.resolve(RunRecord.FILE));
        if (alone || (TrainRun.isComplete(side) && !Files.exists(folder.resolve(RunRecord.FILE)))) {
            throw BadInput.in(
                    side,
                    "holds an SAE that is not of a run of two with Jacobians between them: choose another folder");
        }
    }

    private void check() {
        String name = config.architecture().key();
        if (config.architecture() != Architecture.TOPK || config.readsGradients()) {
            throw new BadInput("architecture: " + name + (config.readsGradients() ? " with gradient.select" : "")
                    + ", expected topk where Jacobians are made sparse");
        }
        if (config.objective() != Objective.LOCAL) {
            throw new BadInput("objective: " + config.objective().name().toLowerCase(Locale.ROOT)
                    + ", expected local where Jacobians are made sparse");
        }
        if (!(weight >= 0 && weight < 1e6)) {
            throw new BadInput("weight of the Jacobian: " + weight + ", expected ≥ 0 and < 1e6");
        }
        requirePairs(pairs, mlp);
    }

    /** Refuses rows that are not the MLP's inputs and outputs side by side. */
    static void requirePairs(RowSource pairs, GatedMlp mlp) {
        if (pairs.targetWidth() != mlp.dOut() || pairs.width() - pairs.targetWidth() != mlp.dIn()) {
            throw new BadInput(pairs.name() + ": has pairs of widths " + (pairs.width() - pairs.targetWidth()) + " and "
                    + pairs.targetWidth() + ", but the MLP reads " + mlp.dIn() + " and writes " + mlp.dOut());
        }
    }

    private RunRecord record(Provenance provenance, String hookIn, String hookOut, int width) {
        Map<String, Object> keys = new LinkedHashMap<>(ConfigReader.toMap(config));
        keys.put("jacobian_weight", weight);
        return new RunRecord(keys, provenance, hookIn, hookOut, pairs.rows(), width);
    }

    private void train(List<TrainJob> jobs, List<RunRecord> records) {
        ShuffledRows order = new ShuffledRows(
                pairs,
                config.batch(),
                config.seed(),
                config.input().buffer(),
                config.input().shuffle());
        try (Workers workers = new Workers(config.threadCount())) {
            List<Trainer> trainers = trainers(order, workers);
            try (Training in = new Training(jobs.getFirst(), records.getFirst(), trainers.getFirst(), listener);
                    Training out = new Training(jobs.getLast(), records.getLast(), trainers.getLast(), listener);
                    StepLog log = new StepLog(folder, in.done());
                    Prefetcher batches = new Prefetcher(order, in.done())) {
                JacobianPenalty penalty = new JacobianPenalty(
                        mlp.mapped(
                                in.trainer().statistics().inputs().map(),
                                out.trainer().statistics().inputs().map()),
                        Kernels.BEST,
                        workers);
                long every = Math.max(1, config.steps(pairs.rows()) / LINES);
                long saved = System.nanoTime();
                while (!in.hasEnded()) {
                    JacobianFigures figures = step(in, out, penalty, batches.take());
                    if (in.done() % every == 0) {
                        log.add(in.done(), in.done() * config.batch(), figures.toMap());
                    }
                    if (System.nanoTime() - saved > config.checkpoint_seconds() * 1e9) {
                        save(in, out);
                        saved = System.nanoTime();
                    }
                }
                for (Training each : List.of(in, out)) {
                    each.writeSae();
                }
                AtomicFiles.delete(checkpoint());
                double waited = batches.waitedNanos() / 1e9;
                in.tell(waited);
                out.tell(waited);
            }
        }
    }

    private Path checkpoint() {
        return folder.resolve(Checkpoint.FILE);
    }

    private List<Trainer> trainers(ShuffledRows order, Workers workers) {
        long steps = config.steps(pairs.rows());
        if (Files.exists(checkpoint())) {
            return List.of(restored(IN, steps, workers), restored(OUT, steps, workers));
        }
        Matrix sample = SharedReading.sample(order, config.input().sample());
        return List.of(
                begun(sample.columns(0, mlp.dIn()), steps, workers),
                begun(sample.columns(mlp.dIn(), mlp.dOut()), steps, workers));
    }

    private Trainer restored(String name, long steps, Workers workers) {
        TrainState state = Checkpoint.read(checkpoint(), name);
        Trainer trainer = new Trainer(config, state.statistics(), steps, workers);
        trainer.restore(state, checkpoint());
        return trainer;
    }

    private Trainer begun(Matrix sample, long steps, Workers workers) {
        return new Trainer(config, sample, 0, steps, workers);
    }

    private void save(Training in, Training out) {
        Map<String, TrainState> states = new LinkedHashMap<>();
        states.put(IN, in.trainer().state());
        states.put(OUT, out.trainer().state());
        Checkpoint.write(checkpoint(), states);
        listener.accept(new TrainEvent.Saved(folder, in.done()));
    }

    private JacobianFigures step(Training in, Training out, JacobianPenalty penalty, Matrix batch) {
        long began = System.nanoTime();
        Trainer inputs = in.trainer();
        Trainer outputs = out.trainer();
        Trainer.Look inputLook = inputs.look(batch.columns(0, mlp.dIn()));
        Trainer.Look outputLook = outputs.look(batch.columns(mlp.dIn(), mlp.dOut()));
        Matrix decoder = inputs.training().decoder();
        Matrix encoder = outputs.training().encoder();
        JacobianFigures figures = penalty.look(
                active(inputs.batch()), decoder, inputs.batch().reconstruction, active(outputs.batch()), encoder);
        Gradients.Added toDecoder = Gradients.Added.NONE;
        Gradients.Added toEncoder = Gradients.Added.NONE;
        if (weight > 0) {
            Matrix byDecoder = Matrix.zeros(decoder.rows(), decoder.cols());
            Matrix byEncoder = Matrix.zeros(encoder.rows(), encoder.cols());
            penalty.gradients(weight, inputs.batch().gradient, byDecoder, byEncoder);
            toDecoder = new Gradients.Added(null, byDecoder);
            toEncoder = new Gradients.Added(byEncoder, null);
        }
        Gradients.Added decoderGradient = toDecoder;
        Gradients.Added encoderGradient = toEncoder;
        double loss = inputLook.value().loss() + weight * figures.l1();
        require(in.step(began, () -> inputs.learn(inputLook, loss, decoderGradient)));
        require(out.step(
                began, () -> outputs.learn(outputLook, outputLook.value().loss(), encoderGradient)));
        double seconds = (System.nanoTime() - began) / 1e9;
        in.charge(seconds / 2);
        out.charge(seconds / 2);
        return figures;
    }

    private static JacobianPenalty.Active active(Batch batch) {
        return new JacobianPenalty.Active(batch.active.starts(), batch.active.index());
    }

    private static void require(Optional<BadInput> reason) {
        reason.ifPresent(r -> {
            throw r;
        });
    }
}
