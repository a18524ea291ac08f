package org.loupe.app.web;

import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.loupe.index.LatentProfile;
import org.loupe.io.BadInput;

/** All latents in memory, sorted and filtered. Orders are made once and kept, so that a page of any is a copy. Thread-safe. */
final class LatentList {
    private static final int KEPT_ORDERS = 32;

    private final List<LatentProfile> latents;
    private final String[] text;
    private final Map<Query, int[]> orders = new LinkedHashMap<>(KEPT_ORDERS, 0.75f, true);

    /**
     * What to sort by. Latents without a value come last in either direction, and equal ones by number. By evidence, those with
     * a flag come after those without.
     */
    enum Sort {
        LATENT,
        LABEL,
        EVIDENCE,
        DENSITY,
        MEAN,
        MAX;

        static Sort parse(String name) {
            try {
                return valueOf(name.toUpperCase(Locale.ROOT));
            } catch (IllegalArgumentException e) {
                throw BadInput.unknown(
                        "sort key",
                        name,
                        Stream.of(values())
                                .map(s -> s.name().toLowerCase(Locale.ROOT))
                                .toList());
            }
        }

        private Comparator<LatentProfile> ascending() {
            return switch (this) {
                case LATENT -> Comparator.comparingInt(LatentProfile::latent);
                case LABEL -> Comparator.comparing(LatentProfile::label);
                case EVIDENCE -> Comparator.comparingDouble(LatentList::evidence);
                case DENSITY -> Comparator.comparingDouble(LatentProfile::density);
                case MEAN -> Comparator.comparingDouble(LatentProfile::mean);
                case MAX -> Comparator.comparingDouble(LatentProfile::max);
            };
        }

        private boolean hasValue(LatentProfile latent) {
            return switch (this) {
                case LATENT -> true;
                case LABEL -> !latent.label().isEmpty();
                case EVIDENCE -> latent.best() != null;
                case DENSITY, MEAN, MAX -> latent.count() > 0;
            };
        }
    }

    /** −log₁₀ p of the most enriched category. */
    private static double evidence(LatentProfile latent) {
        return latent.best() == null ? 0 : -latent.best().log10P();
    }

    /**
     * @param filter words that must all occur in a latent's label, tokens or flags, case aside; {@code #12} is latent 12
     */
    record Query(Sort sort, boolean descending, String filter) {
        Query {
            filter = filter.strip().toLowerCase(Locale.ROOT);
        }
    }

    /** @param latents profiles in order of their numbers */
    LatentList(List<LatentProfile> latents) {
        this.latents = List.copyOf(latents);
        this.text = latents.stream().map(LatentList::searchable).toArray(String[]::new);
    }

    private static String searchable(LatentProfile latent) {
        StringBuilder text = new StringBuilder("#").append(latent.latent()).append(' ');
        text.append(latent.label()).append(' ').append(String.join(" ", latent.topTokens()));
        latent.flags().forEach(flag -> text.append(' ').append(flag.text()));
        return text.append(' ').toString().toLowerCase(Locale.ROOT);
    }

    LatentProfile get(int latent) {
        if (latent < 0 || latent >= latents.size()) {
            throw new BadInput("there is no latent " + latent + "; this SAE has latents 0 to " + (latents.size() - 1));
        }
        return latents.get(latent);
    }

    int size() {
        return latents.size();
    }

    /** Numbers of the latents that the query lets through, in its order; not to be modified. */
    int[] order(Query query) {
        synchronized (orders) {
            int[] known = orders.get(query);
            if (known == null) {
                known = sort(query);
                orders.put(query, known);
                if (orders.size() > KEPT_ORDERS) {
                    orders.remove(orders.keySet().iterator().next());
                }
            }
            return known;
        }
    }

    private int[] sort(Query query) {
        Comparator<LatentProfile> order = query.sort().ascending();
        if (query.descending()) {
            order = order.reversed();
        }
        Comparator<LatentProfile> missing = Comparator.comparing(
                        (LatentProfile latent) -> !query.sort().hasValue(latent))
                .thenComparing(latent ->
                        query.sort() == Sort.EVIDENCE && !latent.flags().isEmpty());
        String[] words =
                query.filter().isEmpty() ? new String[0] : query.filter().split("\\s+", -1);
        return latents.stream()
                .filter(latent -> Arrays.stream(words).allMatch(word -> matches(latent.latent(), word)))
                .sorted(missing.thenComparing(order).thenComparingInt(LatentProfile::latent))
                .mapToInt(LatentProfile::latent)
                .toArray();
    }

    private boolean matches(int latent, String word) {
        return word.matches("#\\d+") ? text[latent].startsWith(word + " ") : text[latent].contains(word);
    }
}
