package org.loupe.train;

/**
 * φ of the penalty λ Σ φ(f), and its derivative.
 *
 * @param p of f^p
 * @param scale c of tanh(c f)
 */
record SparsityPenalty(ArchitectureConfig.Penalty.Form form, double p, double scale) {
    /** The slope of f^p with p &lt; 1 is unbounded at 0: below this f, φ is the straight line to 0. In units in which E‖x‖² = d. */
    static final double LEAST = 1e-2;

    /** The penalty of a configuration at a share of the run. */
    static SparsityPenalty at(TrainConfig config, double progress) {
        ArchitectureConfig.Penalty penalty = config.arch().penalty();
        boolean anneals = config.architecture() == Architecture.P_ANNEAL;
        double end = penalty.p() > 0 ? penalty.p() : anneals ? 0.2 : 1;
        return new SparsityPenalty(penalty.form(), anneals ? 1 + (end - 1) * progress : end, penalty.scale());
    }

    double value(double f) {
        return switch (form) {
            case LP -> p == 1 ? f : linear(f) ? f * Math.pow(LEAST, p - 1) : Math.pow(f, p);
            case TANH -> Math.tanh(scale * f);
        };
    }

    double slope(double f) {
        return switch (form) {
            case LP -> p == 1 ? 1 : linear(f) ? Math.pow(LEAST, p - 1) : p * Math.pow(f, p - 1);
            case TANH -> {
                double t = Math.tanh(scale * f);
                yield scale * (1 - t * t);
            }
        };
    }

    private boolean linear(double f) {
        return p < 1 && f < LEAST;
    }
}
