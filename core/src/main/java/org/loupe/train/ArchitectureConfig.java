package org.loupe.train;

/**
 * What single architectures need beyond the keys that all share.
 */
public record ArchitectureConfig(
        @About("Sparsity penalties, and how they begin.") Penalty penalty,

        @About("Threshold of jumprelu.") Jump jump,

        @About("Noise of gumbel_topk.") Gumbel gumbel,

        @About("Nested losses of matryoshka and hierarchical_topk.")
        Nested nested,

        @About("k of the top-k family over the run.") Anneal anneal,

        @About("Codes of vq and residual_vq.") Vq vq,

        @About("dictionary_learning.") Dictionary dictionary) {

    /**
     * λ Σ φ(f |W_dec,i|), in the loss as (‖x − x̂‖² + λ Σ φ) / V.
     */
    public record Penalty(
            @About("φ: lp is f^p, tanh is tanh(scale f) (Anthropic, Circuits Updates January 2025).")
            Form form,

            @About("p of lp, of p_anneal the one that it ends at; 0: 1 (which is L1), of p_anneal 0.2.")
            double p,

            @About("Scale of tanh.") double scale,

            @About(
                    "Share of the steps over which the coefficient rises from 0; with l0, over which the target falls to it.")
            double warmup,

            @About(
                    "Active latents of a row at the start as a multiple of l0 (or k), by b_enc or, of jumprelu, θ; 0: b_enc = 0, half of them. Of sign_aware_gated each of the two gates begins with so many.")
            double begin) {
        /** φ. */
        public enum Form {
            /** f^p. */
            LP,
            /** tanh(c f). */
            TANH
        }

        public Penalty {
            TrainConfig.require(p >= 0 && p <= 2, "arch.penalty.p", p, "in [0, 2]");
            TrainConfig.require(scale > 0 && scale < 1e6, "arch.penalty.scale", scale, "> 0 and < 1e6");
            TrainConfig.require(warmup >= 0 && warmup < 1, "arch.penalty.warmup", warmup, "in [0, 1)");
            TrainConfig.require(begin >= 0 && begin < 1e6, "arch.penalty.begin", begin, "≥ 0 and < 1e6");
        }
    }

    /**
     * f = z H(z − θ) with θ learnt by a straight-through estimator (Rajamanoharan et al. 2024, arXiv 2407.14435).
     */
    public record Jump(
            @About(
                    "Estimator of dH/dθ: rectangle, triangle, epanechnikov, biweight, gaussian or logistic, each of integral 1.")
            StepKernel kernel,

            @About(
                    "Bandwidth ε of a latent in standard deviations that its pre-activation would have were its direction random; used where"
                            + " bandwidth is 0.")
            double relative_bandwidth,

            @About("θ at the start, in the same unit; 0: by arch.penalty.begin.")
            double threshold,

            @About("θ's learning rate as a multiple of lr.") double threshold_lr,

            @About("Whether the step is taken in log θ instead of θ, as in the paper's pseudo-code.")
            boolean log_threshold,

            @About(
                    "Penalty: step is L0, quadratic is (L0 / target − 1)², which pulls to the target the more firmly the larger l1 is, tanh is tanh(penalty.scale f).")
            Sparsity penalty,

            @About("Whether z receives the negative of θ's gradient too.")
            boolean input_gradient,

            @About("Coefficient of Σ relu(θ − z)|W_dec,i| over dead latents (Anthropic, January 2025); 0: off.")
            double preactivation) {
        /** Sparsity penalties of JumpReLU. */
        public enum Sparsity {
            /** λ Σ H(z − θ). */
            STEP,
            /** λ (L0 / L0* − 1)², L0 the batch's mean. */
            QUADRATIC,
            /** λ Σ tanh(c f). */
            TANH
        }

        public Jump {
            TrainConfig.require(
                    relative_bandwidth > 0 && relative_bandwidth < 1e3,
                    "arch.jump.relative_bandwidth",
                    relative_bandwidth,
                    "> 0 and < 1000");
            TrainConfig.require(threshold >= 0 && threshold < 1e6, "arch.jump.threshold", threshold, "≥ 0 and < 1e6");
            TrainConfig.require(
                    threshold_lr >= 0 && threshold_lr < 1e6, "arch.jump.threshold_lr", threshold_lr, "≥ 0 and < 1e6");
            TrainConfig.require(
                    preactivation >= 0 && preactivation < 1e6,
                    "arch.jump.preactivation",
                    preactivation,
                    "≥ 0 and < 1e6");
        }
    }

    /**
     * Gumbel-TopK: noise decides among the candidates (Kool et al. 2019, arXiv 1903.06059, the Gumbel-top-k trick).
     */
    public record Gumbel(
            @About("straight_through: hard winners, soft gradient; relaxed: soft activations and gradient.")
            Softness form,

            @About(
                    "Temperature of noise and softmax at the start, in standard deviations of the pre-activations at the start.")
            double temperature,

            @About("Temperature at the end; between them it falls geometrically.")
            double final_temperature,

            @About(
                    "Size of the noise as a multiple of Gumbel noise; 0: none, which leaves a softmax relaxation of top-k.")
            double noise,

            @About("Latents of a row among which the noise decides, as a multiple of k.")
            int candidates) {
        /** What the forward pass uses. */
        public enum Softness {
            STRAIGHT_THROUGH,
            RELAXED
        }

        public Gumbel {
            TrainConfig.require(
                    temperature > 0 && temperature < 1e6, "arch.gumbel.temperature", temperature, "> 0 and < 1e6");
            TrainConfig.require(
                    final_temperature > 0 && final_temperature <= temperature,
                    "arch.gumbel.final_temperature",
                    final_temperature,
                    "> 0 and at most temperature = " + temperature);
            TrainConfig.require(noise >= 0 && noise < 1e6, "arch.gumbel.noise", noise, "≥ 0 and < 1e6");
            TrainConfig.require(candidates >= 2, "arch.gumbel.candidates", candidates, "≥ 2");
        }
    }

    /** Several reconstructions of one row, each by the first of its active latents. */
    public record Nested(
            @About("Prefixes of matryoshka's dictionary, each half of the next: m, m/2, m/4 and so on.")
            int prefixes) {
        public Nested {
            TrainConfig.require(prefixes >= 1 && prefixes <= 16, "arch.nested.prefixes", prefixes, "from 1 to 16");
        }
    }

    /** k at the start and how long it falls. */
    public record Anneal(
            @About("k at the start as a multiple of k; 1: constant.")
            double from,

            @About("Share of the steps over which it falls to k, linearly.")
            double share) {
        public Anneal {
            TrainConfig.require(from >= 1 && from < 1e6, "arch.anneal.from", from, "≥ 1 and < 1e6");
            TrainConfig.require(share >= 0 && share <= 1, "arch.anneal.share", share, "in [0, 1]");
        }
    }

    /** Vector quantisation (van den Oord et al. 2017, arXiv 1711.00937, eq. 3). */
    public record Vq(
            @About("Weight β of the commitment ‖x − b_dec − c‖², c held fixed, which moves b_dec.")
            double commitment,

            @About("What each step keeps, γ, of the means that codes are.")
            double decay,

            @About("Whether codes unused for auxk.dead_after rows are moved to rows of the batch.")
            boolean restart) {
        public Vq {
            TrainConfig.require(commitment >= 0 && commitment < 1e6, "arch.vq.commitment", commitment, "≥ 0 and < 1e6");
            TrainConfig.require(decay >= 0 && decay < 1, "arch.vq.decay", decay, "in [0, 1)");
        }
    }

    /** Online dictionary learning (Mairal et al. 2009). */
    public record Dictionary(
            @About("How rows are coded: omp (orthogonal matching pursuit, k atoms) or lasso (coefficient l1, or l0).")
            Coding coding,

            @About("Whether coefficients may be negative, as in the paper; false compares with SAEs.")
            boolean signed,

            @About("Rounds in which lasso adds atoms to a row, at most.")
            int rounds,

            @About(
                    "Exponent ρ of the forgetting factor: step t keeps (1 − η/(θ_t + 1))^ρ of what was seen; 0 forgets nothing.")
            double forgetting,

            @About("Whether atoms unused for auxk.dead_after rows are moved to rows of the batch.")
            boolean restart) {
        /** Sparse coding. */
        public enum Coding {
            OMP,
            LASSO
        }

        public Dictionary {
            TrainConfig.require(rounds >= 1, "arch.dictionary.rounds", rounds, "≥ 1");
            TrainConfig.require(
                    forgetting >= 0 && forgetting < 1e3, "arch.dictionary.forgetting", forgetting, "≥ 0 and < 1000");
        }
    }

    static final ArchitectureConfig DEFAULT = new ArchitectureConfig(
            new Penalty(Penalty.Form.LP, 0, 4, 0.25, 2),
            new Jump(StepKernel.RECTANGLE, 1, 0, 10, false, Jump.Sparsity.STEP, false, 0),
            new Gumbel(Gumbel.Softness.STRAIGHT_THROUGH, 0.5, 0.02, 1, 4),
            new Nested(5),
            new Anneal(1, 0.5),
            new Vq(0.25, 0.99, true),
            new Dictionary(Dictionary.Coding.OMP, false, 100, 1, true));
}
