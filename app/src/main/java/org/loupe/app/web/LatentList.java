package org.loupe.app.web;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.loupe.causal.LatentEffect;
import org.loupe.index.LatentCard;
import org.loupe.index.LatentProfile;
import org.loupe.io.BadInput;

/** All latents in memory, sorted and filtered. Orders are made once and kept, so that a page of any is a copy. Thread-safe. */
final class LatentList {
    private static final int KEPT_ORDERS = 32;

    private final List<Entry> latents;
    private final String[] text;
    private final Map<Query, int[]> orders = new LinkedHashMap<>(KEPT_ORDERS, 0.75f, true);

    /**
     * A latent with what it does.
     *
     * @param card null where effects were not measured
     * @param flags of both, in words
     */
    record Entry(LatentProfile profile, @Nullable LatentCard card, List<String> flags) {
        double effect(ToDoubleFunction<LatentEffect> figure) {
            return card == null ? Double.NaN : figure.applyAsDouble(card.effect());
        }
    }

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
        MAX,
        TOTAL,
        KL,
        DELTA_CE,
        PER_ENERGY,
        DELTA_CONFIDENCE;

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

        private Comparator<Entry> ascending() {
            return switch (this) {
                case LABEL -> Comparator.comparing(entry -> entry.profile().label());
                case LATENT, EVIDENCE, DENSITY, MEAN, MAX, TOTAL, KL, DELTA_CE, PER_ENERGY, DELTA_CONFIDENCE ->
                    Comparator.comparingDouble(this::value);
            };
        }

        private double value(Entry entry) {
            LatentProfile latent = entry.profile();
            return switch (this) {
                case LATENT, LABEL -> latent.latent();
                case EVIDENCE -> evidence(latent);
                case DENSITY -> latent.density();
                case MEAN -> latent.mean();
                case MAX -> latent.max();
                case TOTAL -> entry.effect(LatentEffect::total);
                case KL -> entry.effect(LatentEffect::kl);
                case DELTA_CE -> entry.effect(LatentEffect::increase);
                case PER_ENERGY -> entry.effect(LatentEffect::perEnergy);
                case DELTA_CONFIDENCE -> Math.abs(entry.effect(LatentEffect::confidence));
            };
        }

        private boolean hasValue(Entry entry) {
            LatentProfile latent = entry.profile();
            return switch (this) {
                case LATENT -> true;
                case LABEL -> !latent.label().isEmpty();
                case EVIDENCE -> latent.best() != null;
                case DENSITY, MEAN, MAX -> latent.count() > 0;
                case TOTAL, KL, DELTA_CE, PER_ENERGY, DELTA_CONFIDENCE -> Double.isFinite(value(entry));
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

    /**
     * @param profiles in order of their numbers
     * @param cards their effects; empty where they were not measured
     * @param busyIdle numbers of those that fire a lot and do nothing
     * @param rareDecisive numbers of those that seldom fire and then decide
     */
    LatentList(
            List<LatentProfile> profiles, List<LatentCard> cards, List<Integer> busyIdle, List<Integer> rareDecisive) {
        Set<Integer> idle = Set.copyOf(busyIdle);
        Set<Integer> decisive = Set.copyOf(rareDecisive);
        List<Entry> entries = new ArrayList<>();
        for (LatentProfile profile : profiles) {
            LatentCard card = cards.isEmpty() ? null : cards.get(profile.latent());
            List<String> flags = new ArrayList<>(
                    profile.flags().stream().map(LatentProfile.Flag::text).toList());
            if (card != null && card.causallyDead()) {
                flags.add("causally dead");
            }
            if (idle.contains(profile.latent())) {
                flags.add("busy idle");
            }
            if (decisive.contains(profile.latent())) {
                flags.add("rare decisive");
            }
            entries.add(new Entry(profile, card, List.copyOf(flags)));
        }
        this.latents = List.copyOf(entries);
        this.text = latents.stream().map(LatentList::searchable).toArray(String[]::new);
    }

    private static String searchable(Entry entry) {
        LatentProfile latent = entry.profile();
        StringBuilder text = new StringBuilder("#").append(latent.latent()).append(' ');
        text.append(latent.label()).append(' ').append(String.join(" ", latent.topTokens()));
        entry.flags().forEach(flag -> text.append(' ').append(flag));
        return text.append(' ').toString().toLowerCase(Locale.ROOT);
    }

    Entry get(int latent) {
        if (latent < 0 || latent >= latents.size()) {
            throw new BadInput("there is no latent " + latent + "; this SAE has latents 0 to " + (latents.size() - 1));
        }
        return latents.get(latent);
    }

    /** All of them, in order of their numbers. */
    List<Entry> all() {
        return latents;
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
        Comparator<Entry> order = query.sort().ascending();
        if (query.descending()) {
            order = order.reversed();
        }
        Comparator<Entry> missing = Comparator.comparing(
                        (Entry entry) -> !query.sort().hasValue(entry))
                .thenComparing(entry -> query.sort() == Sort.EVIDENCE
                        && !entry.profile().flags().isEmpty());
        String[] words =
                query.filter().isEmpty() ? new String[0] : query.filter().split("\\s+", -1);
        return latents.stream()
                .filter(entry -> Arrays.stream(words)
                        .allMatch(word -> matches(entry.profile().latent(), word)))
                .sorted(missing.thenComparing(order)
                        .thenComparingInt(entry -> entry.profile().latent()))
                .mapToInt(entry -> entry.profile().latent())
                .toArray();
    }

    private boolean matches(int latent, String word) {
        return word.matches("#\\d+") ? text[latent].startsWith(word + " ") : text[latent].contains(word);
    }
}
