// Connect with retry: in Compose the app may be up before MongoDB is.
const mongoose = require('mongoose');

const ATTEMPTS = 10;
const RETRY_MS = 3000;

async function connectDB() {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await mongoose.connect(process.env.MONGO_URI);
      // The unique indexes must stand before the first write.
      await Promise.all(Object.values(mongoose.models).map((model) => model.init()));
      console.log('MongoDB connected');
      return;
    } catch (err) {
      if (attempt === ATTEMPTS) throw err;
      console.error(`MongoDB not reachable (attempt ${attempt} of ${ATTEMPTS}): ${err.message}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

module.exports = connectDB;
