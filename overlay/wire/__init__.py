"""What is said: one class per message, the codec, the limits. No sockets."""
