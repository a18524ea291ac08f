package org.loupe.lm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.loupe.io.BadInput;

/**
 * A place in a transformer where rows of activations may be read or replaced, under TransformerLens' name for it:
 *
 * <pre>
 * hook_embed                          token embeddings                                    [width]
 * blocks.L.hook_resid_pre             residual stream entering block L                    [width]
 * blocks.L.ln1.hook_normalized        resid_pre / rms(resid_pre), before the norm's gain  [width]
 * blocks.L.attn.hook_z                attention-weighted values, heads side by side       [heads × head width]
 * blocks.L.hook_attn_out              what attention adds to the stream                   [width]
 * blocks.L.hook_resid_mid             residual stream after attention                     [width]
 * blocks.L.ln2.hook_normalized        resid_mid / rms(resid_mid), before the norm's gain  [width]
 * blocks.L.mlp.hook_post              inner activations of the MLP, silu(gate) · up       [MLP width]
 * blocks.L.hook_mlp_out               what the MLP adds to the stream                     [width]
 * blocks.L.hook_resid_post            residual stream leaving block L                     [width]
 * </pre>
 *
 * Hook points are ordered as a forward pass meets them.
 *
 * @param block block number from 0; 0 for {@link Site#EMBED}
 * @param site place in the block
 */
public record HookPoint(int block, Site site) implements Comparable<HookPoint> {
    /** Stands between the names of hook points whose rows stand side by side. */
    private static final String JOINT = "+";

    private static final Pattern IN_BLOCK = Pattern.compile("blocks\\.(0|[1-9][0-9]{0,3})\\.(.+)");
    private static final Comparator<HookPoint> ORDER =
            Comparator.comparingInt(HookPoint::block).thenComparing(HookPoint::site);

    /** A place in a block, in the order of a forward pass. */
    public enum Site {
        EMBED("hook_embed"),
        RESID_PRE("hook_resid_pre"),
        LN1_NORMALIZED("ln1.hook_normalized"),
        ATTN_Z("attn.hook_z"),
        ATTN_OUT("hook_attn_out"),
        RESID_MID("hook_resid_mid"),
        LN2_NORMALIZED("ln2.hook_normalized"),
        MLP_POST("mlp.hook_post"),
        MLP_OUT("hook_mlp_out"),
        RESID_POST("hook_resid_post");

        private final String suffix;

        Site(String suffix) {
            this.suffix = suffix;
        }

        /** Whether rows here are the whole residual stream, so that a run can go on from them alone. */
        public boolean isResidual() {
            return switch (this) {
                case EMBED, RESID_PRE, RESID_MID, RESID_POST -> true;
                case LN1_NORMALIZED, ATTN_Z, ATTN_OUT, LN2_NORMALIZED, MLP_POST, MLP_OUT -> false;
            };
        }
    }

    public HookPoint {
        if (block < 0 || (site == Site.EMBED && block != 0)) {
            throw new IllegalArgumentException("hook point " + site + " in block " + block + " does not exist");
        }
    }

    /** The token embeddings. */
    public static HookPoint embed() {
        return new HookPoint(0, Site.EMBED);
    }

    /** The residual stream leaving a block. */
    public static HookPoint residPost(int block) {
        return new HookPoint(block, Site.RESID_POST);
    }

    /**
     * The hook point of that name.
     *
     * @throws BadInput for a name that is none, with the nearest one
     */
    public static HookPoint parse(String name) {
        if (name.equals(Site.EMBED.suffix)) {
            return embed();
        }
        Matcher matcher = IN_BLOCK.matcher(name);
        int block = matcher.matches() ? Integer.parseInt(matcher.group(1)) : 0;
        if (matcher.matches()) {
            for (Site site : Site.values()) {
                if (site != Site.EMBED && site.suffix.equals(matcher.group(2))) {
                    return new HookPoint(block, site);
                }
            }
        }
        List<String> known = new ArrayList<>();
        for (Site site : Site.values()) {
            known.add(new HookPoint(site == Site.EMBED ? 0 : block, site).toString());
        }
        throw BadInput.unknown("hook point", name, known);
    }

    /** This hook point where it is in the residual stream, else the last one before it that is. */
    public HookPoint stream() {
        return switch (site) {
            case EMBED, RESID_PRE, RESID_MID, RESID_POST -> this;
            case LN1_NORMALIZED, ATTN_Z, ATTN_OUT -> new HookPoint(block, Site.RESID_PRE);
            case LN2_NORMALIZED, MLP_POST, MLP_OUT -> new HookPoint(block, Site.RESID_MID);
        };
    }

    /** The hook points of names joined by {@value #JOINT}, as {@link #join} gives them. */
    public static List<HookPoint> parseAll(String names) {
        return Arrays.stream(names.split(Pattern.quote(JOINT), -1))
                .map(HookPoint::parse)
                .toList();
    }

    /** The names of several hook points whose rows stand side by side, as one. */
    public static String join(List<HookPoint> points) {
        return points.stream().map(HookPoint::toString).collect(Collectors.joining(JOINT));
    }

    @Override
    public int compareTo(HookPoint other) {
        return ORDER.compare(this, other);
    }

    /** TransformerLens' name. */
    @Override
    public String toString() {
        return site == Site.EMBED ? site.suffix : "blocks." + block + "." + site.suffix;
    }
}
