package org.loupe.train;

/**
 * k over a run: it falls linearly from a multiple of the wanted one to it, and stays.
 *
 * @param from the multiple
 * @param share of the steps over which it falls
 * @param latents the most that k can be
 */
record KSchedule(double from, double share, int latents) {
    static KSchedule of(TrainConfig config) {
        ArchitectureConfig.Anneal anneal = config.arch().anneal();
        return new KSchedule(anneal.from(), anneal.share(), config.latents());
    }

    /** k at a share of the run. */
    double at(double wanted, double progress) {
        double left = progress >= share ? 0 : 1 - progress / share;
        return Math.min(latents, wanted * (1 + (from - 1) * left));
    }

    /** The nearest whole number, at least 1. */
    int whole(double wanted, double progress) {
        return (int) Math.max(1, Math.round(at(wanted, progress)));
    }
}
