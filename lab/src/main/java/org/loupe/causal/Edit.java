package org.loupe.causal;

import java.util.SplittableRandom;

/**
 * What is done to one latent at a row h: the row moves along the latent's decoder row d, h' = h + δ d. Whatever else h holds, the
 * SAE's error included, stays.
 */
public sealed interface Edit {
    /** The latent's number. */
    int latent();

    /**
     * δ of one row.
     *
     * @param activation f of the latent, as the SAE encodes the row
     * @param along ⟨h, d⟩ / ‖d‖²: how much of d the row holds, whatever it comes from
     * @param position the token's, from 0
     */
    float shift(float activation, float along, int position);

    /** f' = value. Zero ablation with 0, mean ablation with the latent's mean over all rows. */
    record Set(int latent, float value) implements Edit {
        @Override
        public float shift(float activation, float along, int position) {
            return value - activation;
        }
    }

    /** f' = factor · f. */
    record Scale(int latent, float factor) implements Edit {
        @Override
        public float shift(float activation, float along, int position) {
            return (factor - 1) * activation;
        }
    }

    /** f' = min(max(f, low), high). */
    record Clamp(int latent, float low, float high) implements Edit {
        public Clamp {
            if (!(low <= high)) {
                throw new IllegalArgumentException("clamp from " + low + " to " + high);
            }
        }

        @Override
        public float shift(float activation, float along, int position) {
            return Math.clamp(activation, low, high) - activation;
        }
    }

    /** f' = the latent's activation on a row drawn from a pool, for each position anew (resample ablation). */
    record Resample(int latent, float[] pool, long seed) implements Edit {
        public Resample {
            if (pool.length == 0) {
                throw new IllegalArgumentException("an empty pool to resample from");
            }
        }

        @Override
        public float shift(float activation, float along, int position) {
            SplittableRandom random = new SplittableRandom(seed ^ ((long) latent << 32 | position));
            return pool[random.nextInt(pool.length)] - activation;
        }
    }

    /** h' = h + amount · d. */
    record Add(int latent, float amount) implements Edit {
        @Override
        public float shift(float activation, float along, int position) {
            return amount;
        }
    }

    /** h' = (I − P) h + factor · P h with P = d dᵀ / ‖d‖²: what is orthogonal to d stays as it is. */
    record Project(int latent, float factor) implements Edit {
        @Override
        public float shift(float activation, float along, int position) {
            return (factor - 1) * along;
        }
    }

    /** The projection P h is at most limit · d. */
    record Cap(int latent, float limit) implements Edit {
        @Override
        public float shift(float activation, float along, int position) {
            return Math.min(0, limit - along);
        }
    }
}
