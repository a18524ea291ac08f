package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.io.BadInput;

class HookPointTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "hook_embed",
                "blocks.0.hook_resid_pre",
                "blocks.11.hook_resid_mid",
                "blocks.29.hook_resid_post",
                "blocks.3.hook_attn_out",
                "blocks.3.hook_mlp_out",
                "blocks.3.ln1.hook_normalized",
                "blocks.3.ln2.hook_normalized",
                "blocks.3.attn.hook_z",
                "blocks.3.mlp.hook_post"
            })
    void namesPrintAsTheyParse(String name) {
        assertEquals(name, HookPoint.parse(name).toString());
    }

    @ParameterizedTest
    @CsvSource({
        "blocks.11.hook_resid_pos, blocks.11.hook_resid_post",
        "blocks.2.attn.hook_zz, blocks.2.attn.hook_z",
        "hook_embd, hook_embed",
        "blocks.01.hook_resid_post, blocks.0.hook_resid_post",
        "blocks.99999.hook_resid_post, blocks.0.hook_resid_post",
        "blocks.4.hook_embed, blocks.4.hook_mlp_out",
    })
    void anUnknownNameIsRefusedWithTheNearest(String wrong, String nearest) {
        BadInput refused = assertThrows(BadInput.class, () -> HookPoint.parse(wrong));
        assertTrue(refused.toString().contains("did you mean '" + nearest + "'"), refused.toString());
    }

    @Test
    void theOrderIsThatOfAForwardPass() {
        assertTrue(HookPoint.embed().compareTo(HookPoint.parse("blocks.0.hook_resid_pre")) < 0);
        assertTrue(
                HookPoint.parse("blocks.0.hook_resid_post").compareTo(HookPoint.parse("blocks.1.hook_resid_pre")) < 0);
        assertTrue(HookPoint.parse("blocks.1.hook_attn_out").compareTo(HookPoint.parse("blocks.1.hook_resid_mid")) < 0);
    }
}
