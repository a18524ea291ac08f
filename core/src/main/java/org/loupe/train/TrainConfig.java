package org.loupe.train;

import java.util.Locale;

/**
 * How an SAE is trained. Read by {@link ConfigReader} from YAML and {@code key=value} pairs; a value of 0 means "derived from
 * the others" where the sentence says so.
 */
public record TrainConfig(
        @About("What is trained; listed above.") Architecture architecture,

        @About("Number of latents, m.") int latents,

        @About(
                "Active latents of each row, k, of the top-k family; of batchtopk and matryoshka their mean, of residual_vq"
                        + " its stages, of dictionary_learning with omp its atoms; vq has 1.")
        int k,

        @About(
                "Wanted mean number of active latents of a row; 0: none. The top-k family takes it for k, the others adjust their"
                        + " coefficient to it.")
        double l0,

        @About(
                "Coefficient λ of the sparsity penalty of relu, p_anneal, gated, sign_aware_gated, jumprelu and dictionary_learning with lasso, in the loss (‖x − x̂‖² + λ Σ φ) / V with"
                        + " E‖x‖² = d; not used with l0, but of lasso, where it starts, and of jumprelu's quadratic penalty.")
        double l1,

        @About("Rows of one step.") int batch,

        @About("Passes over the data; used where tokens is 0.")
        double passes,

        @About("Rows to train on, counted with repetition; 0: by passes.")
        long tokens,

        @About(
                "Learning rate; 0: 2e-4 / sqrt(latents / 16384), times sqrt(20,000 / steps), at most 8, in runs of fewer than 20,000 steps.")
        double lr,

        @About("Seed of the initial dictionary and of the order of rows; the same seed gives the same bits.")
        long seed,

        @About("Compute threads; 0: all processors. The result does not depend on it.")
        int threads,

        @About("Product that proposes winners: f32, bf16, int8, or fast (the fastest there is). Same result.")
        Precision precision,

        @About("Bandwidth ε of jumprelu, in units in which E‖x‖² = d; 0: arch.jump.relative_bandwidth.")
        double bandwidth,

        @About("Reconstruction loss: squared is Σ‖x − x̂‖² / V, norm is Σ‖x − x̂‖ / √V.")
        Loss loss,

        @About(
                "What the reconstruction is judged by: local (its error), gradient_weighted (its error, weighed by the gradients of a store made by harvest --gradients), or, with"
                        + " --model, the rest of the model run on with it: kl, ce, downstream_mse, hybrid (several at once).")
        Objective objective,

        @About("Dictionary rows: unit keeps their norm at 1; free lets them grow and weighs the penalty by them; the"
                + " codes of vq and residual_vq are free always.")
        Norms norms,

        @About("Keeps ⟨w_enc,i , w_dec,i⟩ = 1 for each latent (aligned training, arXiv 2605.18629).")
        boolean aligned,

        @About("Gives a transcoder a linear path past the latents: x̂ + W_skip x (arXiv 2501.18823).")
        boolean skip,

        @About(
                "Multiplies rows by (|x| / sqrt(d))^(α − 1) before the encoder, α learnt, from 0.5 on: 1 is the inner product, 0 the cosine (arXiv 2606.15054).")
        boolean cosine,

        @About("What single architectures need.") ArchitectureConfig arch,

        @About("What a store's gradients do.") GradientConfig gradient,

        @About("What the terms weigh where the model is run.")
        DownstreamConfig downstream,

        @About("Optimiser.") OptimizerConfig optimizer,

        @About("Auxiliary loss that revives dead latents; vq, residual_vq and dictionary_learning move them instead.")
        Auxk auxk,

        @About("Resampling of dead latents.") Resample resample,

        @About("Lifting dead latents over their threshold.") Revive revive,

        @About("How rows are read and the dictionary begins.")
        InputConfig input,

        @About("Seconds between checkpoints.") double checkpoint_seconds) {

    /**
     * AuxK (Gao et al. 2024, §A.2): the dead latents' own top k reconstruct what the living ones leave over.
     */
    public record Auxk(
            @About("Weight of the auxiliary loss; 0: off.") double weight,

            @About(
                    "Dead latents active in each row; 0: the smaller of d/2 and max(2k, 64), of the top-k family with l0 in the place of k.")
            int k,

            @About("Rows without firing after which a latent counts as dead; 0: 5 % of the run, at most 10 million.")
            long dead_after) {
        public Auxk {
            require(weight >= 0 && weight < Double.POSITIVE_INFINITY, "auxk.weight", weight, "≥ 0 and finite");
            require(k >= 0, "auxk.k", k, "≥ 0");
            require(dead_after >= 0, "auxk.dead_after", dead_after, "≥ 0");
        }
    }

    /**
     * Dead latents begin anew on rows that are badly reconstructed (Bricken et al. 2023, Towards Monosemanticity, "Neuron
     * Resampling"); {@link Revival} says how.
     */
    public record Resample(
            @About("Share of the steps from one resampling to the next; 0: never.")
            double every,

            @About("Share of the steps after which there is none; 0: never any.")
            double until,

            @About("Norm of a new encoder row, and jumprelu's new threshold, as a multiple of the living ones' mean.")
            double scale) {
        public Resample {
            require(every >= 0 && every <= 1, "resample.every", every, "in [0, 1]");
            require(until >= 0 && until <= 1, "resample.until", until, "in [0, 1]");
            require(scale > 0 && scale < 1e6, "resample.scale", scale, "> 0 and < 1e6");
        }
    }

    /**
     * Revival without a loss.
     */
    public record Revive(
            @About(
                    "What each step adds to a dead latent's encoder bias, as a multiple of the learning rate (bias adaptation, arXiv"
                            + " 2506.14002); 0: off.")
            double bias) {
        public Revive {
            require(bias >= 0 && bias < 1e6, "revive.bias", bias, "≥ 0 and < 1e6");
        }
    }

    /** Steps from which on the learning rate no longer depends on them, and what a shorter run's is a multiple of it at most. */
    private static final long LONG_RUN = 20_000;

    private static final double MOST_FASTER = 8;

    public static final TrainConfig DEFAULT = new TrainConfig(
            Architecture.TOPK,
            4096,
            32,
            0,
            5,
            4096,
            1,
            0,
            0,
            0,
            0,
            Precision.F32,
            0,
            Loss.SQUARED,
            Objective.LOCAL,
            Norms.UNIT,
            false,
            false,
            false,
            ArchitectureConfig.DEFAULT,
            new GradientConfig(GradientConfig.Form.METRIC, 4, 0),
            new DownstreamConfig(1, 1, 0, 0, true, false),
            new OptimizerConfig(0.9, 0.999, 1e-8, 1.0, 0.05, 0.2),
            new Auxk(1.0 / 32, 0, 0),
            new Resample(0, 0.7, 0.2),
            new Revive(0),
            new InputConfig(true, 262_144, true, false, Whitening.PARTS, 0.01, 0, Centre.GEOMETRIC_MEDIAN, 16_384),
            60);

    public TrainConfig {
        require(latents >= 1, "latents", latents, "≥ 1");
        require(k >= 1 && k <= latents, "k", k, "from 1 to latents = " + latents);
        require(l0 >= 0 && l0 <= latents, "l0", l0, "from 0 to latents = " + latents);
        require(l1 >= 0 && l1 < Double.POSITIVE_INFINITY, "l1", l1, "≥ 0 and finite");
        require(bandwidth >= 0 && bandwidth < Double.POSITIVE_INFINITY, "bandwidth", bandwidth, "≥ 0 and finite");
        require(
                norms == Norms.UNIT || architecture.penalised(),
                "norms",
                "free",
                "unit for " + architecture.key() + ", whose activations no penalty keeps small");
        if (cosine) {
            String reason = "false for " + architecture.key();
            require(!architecture.tied(), "cosine", true, reason + ", whose encoder is its dictionary");
            require(
                    architecture != Architecture.GUMBEL_TOPK && architecture != Architecture.SIGN_AWARE_GATED,
                    "cosine",
                    true,
                    reason);
            require(arch.jump().preactivation() == 0, "cosine", true, "false with arch.jump.preactivation");
            require(
                    input.whiten() != Whitening.FULL && !input.centre_rows(),
                    "cosine",
                    true,
                    "false where rows are whitened or centred, for the norm is that of the row as it is");
        }
        require(!aligned || norms == Norms.UNIT, "aligned", aligned, "false with norms = free");
        require(
                revive.bias() == 0 || !architecture.tied(),
                "revive.bias",
                revive.bias(),
                "0 for " + architecture.key() + ", which has no encoder bias");
        require(
                input.whiten() != Whitening.FULL || !architecture.tied(),
                "input.whiten",
                "full",
                "none for " + architecture.key() + ", whose encoder is its dictionary");
        gradient.check(objective, downstream, architecture, loss, input.whiten(), cosine);
        require(
                !objective.runsModel() || !(architecture.classic() || architecture.steps()),
                "objective",
                objective.name().toLowerCase(Locale.ROOT),
                "local for " + architecture.key());
        require(
                !objective.runsModel() || gradient.select() == 0,
                "gradient.select",
                gradient.select(),
                "0 with objective = " + objective.name().toLowerCase(Locale.ROOT) + ", whose rows come from the model");
        if (architecture.classic()) {
            String reason = " for " + architecture.key();
            require(!aligned, "aligned", aligned, "false" + reason);
            require(
                    resample.every() == 0,
                    "resample.every",
                    resample.every(),
                    "0" + reason + ", which moves unused latents itself");
            require(loss == Loss.SQUARED, "loss", "norm", "squared" + reason);
        }
        require(
                architecture != Architecture.VQ || l0 == 0 || l0 == 1,
                "l0",
                l0,
                "1 (or 0) for vq, which gives each row one code; residual_vq gives it several");
        long stages = architecture == Architecture.RESIDUAL_VQ ? Math.max(1, Math.round(l0 > 0 ? l0 : k)) : 1;
        require(
                latents % stages == 0,
                "latents",
                latents,
                "a multiple of the " + stages + " stages of residual_vq, which have latents / k codes each");
        require(
                !lasso(architecture, arch) || l1 > 0,
                "l1",
                l1,
                "> 0 for lasso: without a penalty every atom is active");
        require(batch >= 1, "batch", batch, "≥ 1");
        require(passes > 0 && passes < Double.POSITIVE_INFINITY, "passes", passes, "> 0 and finite");
        require(tokens >= 0, "tokens", tokens, "≥ 0");
        require(lr >= 0 && lr < Double.POSITIVE_INFINITY, "lr", lr, "≥ 0 and finite");
        require(threads >= 0, "threads", threads, "≥ 0");
        require(checkpoint_seconds > 0, "checkpoint_seconds", checkpoint_seconds, "> 0");
    }

    static void require(boolean holds, String key, Object value, String rule) {
        if (!holds) {
            throw new IllegalArgumentException(key + ": " + value + ", expected " + rule);
        }
    }

    /** β of the metric that rows are mapped by; 0: there is none. */
    double metric() {
        return gradient.mapsRows(objective, downstream) ? gradient.beta() : 0;
    }

    /** β of the term that each row's own gradient adds; 0: there is none. */
    double tokenTerm() {
        return gradient.addsTerm(objective) ? gradient.beta() : 0;
    }

    /** Whether batches have each row's gradient behind the row. */
    boolean readsGradients() {
        return tokenTerm() > 0 || gradient.select() > 0;
    }

    /** How rows are read in this architecture. */
    InputConfig inputInForce() {
        return architecture.tied() ? input.unmapped() : input;
    }

    /** Active latents of a row at the end of the run: l0 where it is given, else k. */
    public double wantedL0() {
        if (architecture == Architecture.VQ) {
            return 1;
        }
        return l0 > 0 ? l0 : k;
    }

    /** {@link #wantedL0} as the whole number of latents that a count allows. */
    int count() {
        return (int) Math.max(1, Math.round(wantedL0()));
    }

    /** Whether a penalty, and not a count, makes the latents sparse. */
    public boolean penalised() {
        return architecture.penalised() || lasso(architecture, arch);
    }

    private static boolean lasso(Architecture architecture, ArchitectureConfig arch) {
        return architecture == Architecture.DICTIONARY_LEARNING
                && arch.dictionary().coding() == ArchitectureConfig.Dictionary.Coding.LASSO;
    }

    /** Steps of the run over a source of that many rows, at least 1. */
    public long steps(long rows) {
        double total = tokens > 0 ? tokens : passes * rows;
        return Math.max(1, Math.round(Math.floor(total / batch)));
    }

    /** The learning rate in force before the schedule, in a run of that many steps. */
    public double peakLearningRate(long steps) {
        return lr > 0
                ? lr
                : 2e-4
                        / Math.sqrt(latents / 16384.0)
                        * Math.clamp(Math.sqrt((double) LONG_RUN / steps), 1, MOST_FASTER);
    }

    /** The norm that the encoder's rows begin with. */
    public double encoderNorm() {
        if (input.encoder_norm() > 0) {
            return input.encoder_norm();
        }
        return switch (architecture) {
            case BATCHTOPK, MATRYOSHKA, JUMPRELU, GATED, SIGN_AWARE_GATED -> 0.1;
            case RELU,
                    P_ANNEAL,
                    TOPK,
                    HIERARCHICAL_TOPK,
                    GUMBEL_TOPK,
                    ABSTOPK,
                    MATCHING_PURSUIT,
                    VQ,
                    RESIDUAL_VQ,
                    DICTIONARY_LEARNING -> 1;
        };
    }

    /** The compute threads in force. */
    public int threadCount() {
        return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    }

    /** Rows without firing after which a latent is dead, in a run of that many steps. */
    public long deadAfter(long steps) {
        return auxk.dead_after() > 0 ? auxk.dead_after() : Math.min(10_000_000, Math.max(batch, steps * batch / 20));
    }

    /** Steps from one resampling to the next in a run of that many; 0: there is none. */
    long resampleEvery(long steps) {
        return resample.every() > 0 && resample.until() > 0 ? Math.max(1, Math.round(resample.every() * steps)) : 0;
    }

    /** Dead latents active in each row, for rows of width d. */
    public int auxiliaryK(int d) {
        int active = penalised() ? k : count();
        return auxk.k() > 0 ? auxk.k() : Math.max(1, Math.min(d / 2, Math.max(2 * active, 64)));
    }
}
