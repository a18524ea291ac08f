package org.loupe.app.web;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.loupe.causal.Firings;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

class TextProbeTest {
    @Test
    void aModelThatComesAfterTheEndIsClosed() throws InterruptedException {
        CountDownLatch closing = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        Matrix one = Matrix.zeros(1, 1);
        Sae sae = new Sae(one, new float[1], one, new float[1], new Activation.Relu(), false);
        TextProbe probe = new TextProbe(sae, () -> {
            try {
                closing.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return new Late(closed);
        });
        assertInstanceOf(TextProbe.State.Loading.class, probe.state());
        probe.close();
        closing.countDown();
        assertTrue(closed.await(10, TimeUnit.SECONDS));
        assertInstanceOf(TextProbe.State.None.class, probe.state());
    }

    private record Late(CountDownLatch closed) implements TextModel {
        @Override
        public int[] encode(String text) {
            throw new UnsupportedOperationException();
        }

        @Override
        public String piece(int id) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Matrix rows(int[] ids) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Firings effects(int[] ids) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int limit() {
            throw new UnsupportedOperationException();
        }

        @Override
        public void close() {
            closed.countDown();
        }
    }
}
